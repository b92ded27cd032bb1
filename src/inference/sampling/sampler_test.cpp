// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/sampler.h"

#include "foundation/base/json.h"
#include "inference/sampling/golden_sampling.h"
#include "inference/sampling/solvers/solvers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace comfy::sampling {
namespace {

/// The network of the recorded cases.
Denoised toy_network(const Tensor& x, double sigma) {
  const Tensor s = at::full({}, sigma, at::kFloat);
  const Tensor shrunk = x / (1 + s * s);
  return {.guided = shrunk + 0.1 * x.sin(), .uncond = shrunk - 0.05 * x.cos()};
}

Stochastic stochastic(const Json& o, double eta = 1.0) {
  return {.eta = o.double_or("eta", eta), .s_noise = o.double_or("s_noise", 1.0)};
}
Churn churn(const Json& o) {
  const Churn none;
  return {.s_churn = o.double_or("s_churn", 0),
          .s_tmin = o.double_or("s_tmin", 0),
          .s_tmax = o.double_or("s_tmax", none.s_tmax),
          .s_noise = o.double_or("s_noise", 1)};
}
DpmAdaptive dpm_adaptive_options(const Json& o) {
  const DpmAdaptive d;
  return {.order = static_cast<int>(o.int_or("order", d.order)),
          .rtol = o.double_or("rtol", d.rtol),
          .atol = o.double_or("atol", d.atol),
          .h_init = o.double_or("h_init", d.h_init),
          .pcoeff = o.double_or("pcoeff", d.pcoeff),
          .icoeff = o.double_or("icoeff", d.icoeff),
          .dcoeff = o.double_or("dcoeff", d.dcoeff)};
}
SaSolver sa_solver_options(const Json& o, bool pece) {
  SaSolver options{.predictor_order = static_cast<int>(o.int_or("predictor_order", 3)),
                   .corrector_order = static_cast<int>(o.int_or("corrector_order", 4))};
  if (pece || o.bool_or("use_pece", false))
    options.mode = SaSolver::Mode::predict_evaluate_correct_evaluate;
  if (o.bool_or("simple_order_2", false)) options.second_order = SaSolver::SecondOrder::simple;
  if (o.find("start_sigma")) {
    const double start = o.at("start_sigma").as_double();
    const double end = o.at("end_sigma").as_double();
    const double eta = o.double_or("eta", 1.0);
    options.tau = [=](double sigma) { return start >= sigma && sigma >= end ? eta : 0.0; };
  }
  return options;
}
ErSde er_sde_options(const Json& o) {
  ErSde options{.s_noise = o.double_or("s_noise", 1.0),
                .max_stage = static_cast<int>(o.int_or("max_stage", 3))};
  if (o.find("noise_scaler")) {
    const double eta = o.double_or("eta", 1.0);
    options.noise_scaler = [eta](double x) { return std::pow(x, eta + 1); };
  }
  return options;
}

/// A solver with the options of a recorded case, given as JSON.
template <class F>
Sampler with_options(const std::string& name, F call) {
  return {.name = name,
          .function = [call](const Denoiser& d, Tensor x, std::span<const double> s,
                             const SamplerContext& c) { return call(d, std::move(x), s, c); }};
}

Sampler sampler_of(const std::string& name, const Json& o) {
  if (o.as_object().empty()) return find_sampler(name);
  const auto bound = [&](auto solver, auto options) {
    return with_options(
        name, [=](const Denoiser& d, Tensor x, std::span<const double> s, const SamplerContext& c) {
          return solver(d, std::move(x), s, c, options);
        });
  };
  const auto order = [&](int fallback) {
    return MaxOrder{.order = static_cast<int>(o.int_or("max_order", o.int_or("order", fallback)))};
  };
  if (name == "euler") return bound(euler, churn(o));
  if (name == "heun") return bound(heun, churn(o));
  if (name == "heunpp2") return bound(heunpp2, churn(o));
  if (name == "dpm_2") return bound(dpm_2, churn(o));
  if (name == "euler_ancestral") return bound(euler_ancestral, stochastic(o));
  if (name == "euler_ancestral_cfg_pp") return bound(euler_ancestral_cfg_pp, stochastic(o));
  if (name == "dpm_2_ancestral") return bound(dpm_2_ancestral, stochastic(o));
  if (name == "dpmpp_2s_ancestral") return bound(dpmpp_2s_ancestral, stochastic(o));
  if (name.starts_with("dpmpp_3m_sde")) return bound(dpmpp_3m_sde, stochastic(o));
  if (name == "lms") return bound(lms, order(4));
  if (name == "ipndm") return bound(ipndm, order(4));
  if (name == "ipndm_v") return bound(ipndm_v, order(4));
  if (name == "deis") return bound(deis, order(3));
  if (name == "dpm_adaptive") return bound(dpm_adaptive, dpm_adaptive_options(o));
  if (name.starts_with("dpmpp_sde")) {
    return bound(dpmpp_sde, DpmppSde{.eta = o.double_or("eta", 1),
                                     .s_noise = o.double_or("s_noise", 1),
                                     .r = o.double_or("r", 0.5)});
  }
  if (name.starts_with("dpmpp_2m_sde")) {
    const bool heun_form = o.string_or("solver_type", "midpoint") == "heun";
    return bound(dpmpp_2m_sde, Dpmpp2mSde{.eta = o.double_or("eta", 1),
                                          .s_noise = o.double_or("s_noise", 1),
                                          .solver = heun_form ? Dpmpp2mSde::Solver::heun
                                                              : Dpmpp2mSde::Solver::midpoint});
  }
  if (name == "er_sde") return bound(er_sde, er_sde_options(o));
  if (name == "gradient_estimation") {
    return bound(gradient_estimation, GradientEstimation{.ge_gamma = o.double_or("ge_gamma", 2)});
  }
  if (name == "res_multistep_ancestral") {
    return bound(res_multistep,
                 ResMultistep{.eta = o.double_or("eta", 1), .s_noise = o.double_or("s_noise", 1)});
  }
  if (name == "sa_solver") return bound(sa_solver, sa_solver_options(o, false));
  if (name == "seeds_2")
    return bound(seeds_2, Seeds2{.eta = o.double_or("eta", 1), .r = o.double_or("r", 0.5)});
  if (name == "seeds_3") return bound(seeds_3, Seeds3{.eta = o.double_or("eta", 1)});
  if (name == "euler_pp") return {.name = name, .function = euler_pp};
  if (name == "lcm_upscale") {
    return bound(lcm_upscale,
                 LcmUpscale{.scale_ratio = o.double_or("scale_ratio", 1),
                            .scale_steps = static_cast<int>(o.int_or("scale_steps", -1)),
                            .method = o.string_or("upscale_method", "")});
  }
  throw Error{Error::Kind::internal, "no options known for " + name};
}

double tolerance_of(const std::string& sampler) {
  // Step control and quadrature in float32 by the reference, in double here.
  const std::set<std::string> loose{"dpm_adaptive", "lms", "er_sde", "deis"};
  return loose.contains(sampler) ? 1e-4 : 1e-5;
}

class RecordedSampler : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(RecordedSampler, TakesTheRecordedSteps) {
  const auto recorded = golden::Case::load(GetParam());
  const Json& info = recorded.info();
  const std::string name = info.at("sampler").as_string();
  const double tolerance = tolerance_of(name);
  Sigmas visited;
  Denoiser denoiser{.evaluate = {},
                    .sampling = ModelSampling{
                        recorded_parameterizations().at(info.at("model_sampling").as_string())}};
  denoiser.evaluate = [&](const Tensor& x, double sigma, Guidance) {
    visited.push_back(sigma);
    return toy_network(x, sigma);
  };
  std::vector<Tensor> states;
  Tensor denoised;
  Json::Array indices;
  SamplerContext context{.seed = static_cast<std::uint64_t>(info.at("seed").as_int())};
  context.generator.seed(context.seed);
  context.generator.randn(recorded["input.noise"].sizes().vec());  // which made the noise
  context.on_step = [&](const Step& step) {
    indices.push_back(static_cast<std::int64_t>(step.index));
    states.push_back(step.x);
    denoised = step.denoised;
  };
  SamplerRun run{.sigmas = as_sigmas(recorded["input.sigmas"]),
                 .noise = recorded["input.noise"],
                 .latent = recorded["input.latent"]};
  if (info.bool_or("inpaint", false)) run.inpaint.mask = recorded["input.denoise_mask"];
  const Tensor final = run_sampler(sampler_of(name, info.at("options")), denoiser, run, context);

  const auto expect = [&](const std::string& what, const Tensor& actual) {
    const auto comparison = golden::compare(recorded[what], actual, tolerance);
    EXPECT_TRUE(comparison.agrees) << what << ": " << comparison.message;
  };
  expect("expected.model_sigmas", as_tensor(visited));
  EXPECT_EQ(Json{indices}, info.at("callback_i"));
  for (std::size_t i = 0; i < states.size(); ++i) {
    const std::string state = "expected.x." + std::to_string(i);
    if (recorded.has(state)) expect(state, states[i]);
  }
  if (recorded.has("expected.denoised.last")) expect("expected.denoised.last", denoised);
  expect("expected.final", final);
  expect("expected.next_global_randn", context.generator.randn({2}));
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RecordedSampler);
INSTANTIATE_TEST_SUITE_P(Samplers, RecordedSampler, testing::ValuesIn(recorded_cases("samplers")),
                         [](const auto& row) { return test_name(row.param); });

}  // namespace
}  // namespace comfy::sampling
