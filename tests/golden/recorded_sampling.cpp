// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/recorded_sampling.h"

#include "foundation/base/error.h"
#include "inference/sampling/solvers/solvers.h"
#include "inference/tensor/ops.h"

#include <cmath>

namespace comfy::golden {

using namespace sampling;  // NOLINT(google-build-using-namespace): this file only names its things

const std::map<std::string, SamplingSettings>& recorded_parameterizations() {
  using enum Prediction;
  static const std::map<std::string, SamplingSettings> kSettings{
      {"eps_sd1", {}},
      {"eps", {}},
      {"eps_cosine", {.beta_schedule = BetaSchedule::cosine}},
      {"eps_sqrt_linear", {.beta_schedule = BetaSchedule::sqrt_linear}},
      {"v_prediction", {.prediction = v}},
      {"v_prediction_zsnr", {.prediction = v, .zsnr = true}},
      {"v_zsnr", {.prediction = v, .zsnr = true}},
      {"lcm_distilled", {.prediction = lcm, .space = SigmaSpace::distilled}},
      {"discrete_edm", {.prediction = edm, .space = SigmaSpace::discrete_edm}},
      {"edm_playground",
       {.prediction = edm,
        .space = SigmaSpace::continuous_edm,
        .sigma_max = 80.0,
        .sigma_data = 0.5}},
      {"continuous_edm_node_default",
       {.prediction = edm, .space = SigmaSpace::continuous_edm, .sigma_data = 0.5}},
      {"svd_v_continuous_edm",
       {.prediction = v, .space = SigmaSpace::continuous_edm, .sigma_max = 700.0}},
      {"continuous_v",
       {.prediction = v, .space = SigmaSpace::continuous_v, .sigma_min = 0.03, .sigma_max = 500.0}},
      {"cosmos_rflow",
       {.prediction = cosmos_rflow, .space = SigmaSpace::cosmos_rflow, .sigma_max = 80.0}},
      {"flow_shift3", {.prediction = flow, .space = SigmaSpace::flow, .shift = 3.0}},
      {"flow", {.prediction = flow, .space = SigmaSpace::flow, .shift = 3.0}},
      {"flow_shift1_mult1", {.prediction = flow, .space = SigmaSpace::flow, .multiplier = 1.0}},
      {"auraflow_1.73",
       {.prediction = flow, .space = SigmaSpace::flow, .shift = 1.73, .multiplier = 1.0}},
      {"flux_0", {.prediction = flow, .space = SigmaSpace::flux, .shift = 0.0}},
      {"flux_1.15", {.prediction = flow, .space = SigmaSpace::flux, .shift = 1.15}},
      {"cascade_shift1", {.space = SigmaSpace::cascade}},
      {"cascade_shift2", {.space = SigmaSpace::cascade, .shift = 2.0}},
  };
  return kSettings;
}

Tensor as_tensor(const Sigmas& sigmas) {
  return at::tensor(at::ArrayRef<double>{sigmas.data(), sigmas.size()}, at::kDouble);
}

Sigmas as_sigmas(const Tensor& values) {
  const Tensor numbers = values.to(at::kDouble).contiguous();
  const double* begin = numbers.const_data_ptr<double>();
  return {begin, begin + numbers.numel()};
}

namespace {

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

}  // namespace

Sampler recorded_sampler(const std::string& name, const Json& o) {
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
  throw Error{Error::Kind::unsupported, "options of sampler \"" + name + "\""};
}

}  // namespace comfy::golden
