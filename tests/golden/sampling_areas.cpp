// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/sampling_areas.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "golden/recorded_sampling.h"
#include "inference/sampling/noise.h"
#include "inference/sampling/seed_sequence.h"
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <set>

namespace comfy::golden {
namespace {

using sampling::ModelSampling;
using sampling::NoiseStart;
using sampling::Sigmas;

constexpr double kExact = 0.0;            // same library, same numbers
constexpr double kSigmaTolerance = 2e-6;  // exp, log and pow of torch against numpy's and Python's
constexpr double kBrownianTolerance = 2e-6;  // sums of increments

Shape shape_of(std::string_view text, char separator) {
  Shape shape;
  for (const auto part : split(text, separator)) shape.push_back(std::stoll(std::string{part}));
  return shape;
}

std::uint64_t seed_of(const Case& recorded) {
  return std::stoull(recorded.info().at("seed").as_string());
}

/// The noise that a tensor of prepare_noise cases was recorded from, by its name.
Tensor prepared(std::string_view name, const Case& recorded) {
  const auto parts = split(name, '.');
  tensor::Generator generator{seed_of(recorded)};
  if (parts[1] == "batch_index") {
    const Shape index = shape_of(parts[2], '-');
    return sampling::prepare_noise(at::zeros({static_cast<std::int64_t>(index.size()), 4, 8, 8}),
                                   generator, index);
  }
  if (parts[1] == "next") {
    sampling::prepare_noise(at::zeros(shape_of(parts[2], 'x')), generator);
    return generator.randn({3});
  }
  return sampling::prepare_noise(at::zeros(shape_of(parts.back(), 'x'), recorded[name].options()),
                                 generator);
}

Outcome run_step_noise(const Case& recorded) {
  Outcome outcome;
  const Tensor x = at::zeros({2, 4, 8, 8});
  sampling::StepNoise independent = sampling::independent_noise(x, seed_of(recorded));
  for (int i = 0; recorded.has("expected.default." + std::to_string(i)); ++i) {
    const std::string name = "expected.default." + std::to_string(i);
    outcome.add(name, compare(recorded[name], independent(2, 1), kExact));
  }
  const std::array<double, 2> range{static_cast<float>(14.614642), static_cast<float>(0.0291675)};
  sampling::StepNoise brownian = sampling::brownian_noise(x, range, seed_of(recorded));
  const auto& queries = recorded.info().at("brownian_queries").as_array();
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const auto time = [&](std::size_t k) {
      return double{static_cast<float>(queries[i].as_array()[k].as_double())};
    };
    const std::string name = "expected.brownian_cpu1." + std::to_string(i);
    outcome.add(name, compare(recorded[name], brownian(time(0), time(1)), kBrownianTolerance));
  }
  return outcome;
}

Outcome run_seed_sequence(const std::filesystem::path& path) {
  std::ifstream file{path};
  const Json recorded = parse_json(std::string{std::istreambuf_iterator<char>{file}, {}});
  for (const Json& row : recorded.at("seed_sequence").as_array()) {
    std::vector<std::uint64_t> key;
    for (const Json& part : row.at("spawn_key").as_array())
      key.push_back(std::stoull(part.as_string()));
    Json::Array actual;
    for (const std::uint32_t number : sampling::seed_sequence(
             std::stoull(row.at("entropy").as_string()), key, row.at("pool_size").as_uint(), 4)) {
      actual.emplace_back(number);
    }
    if (Json{actual} != row.at("generate_state_4")) return Outcome::failed(to_json(row));
  }
  return {};
}

/// expected.<scheduler>.<steps>.<denoise>[.discard] of a schedules case.
std::optional<Sigmas> named_sigmas(const std::string& name, const ModelSampling& sampling) {
  const auto parts = split(name, '.');
  const auto names = sampling::schedule_names();
  if (parts.size() < 5 || std::find(names.begin(), names.end(), parts[1]) == names.end()) return {};
  const double denoise = std::stod(std::string{parts[3]} + "." + std::string{parts[4]});
  return ksampler_sigmas(sampling, parts.back() == "discard" ? "dpm_2" : "euler", parts[1],
                         std::stoi(std::string{parts[2]}), denoise);
}

void add_scalings(Outcome& outcome, const Case& recorded, const ModelSampling& sampling) {
  const Tensor sigma = recorded["input.sigma"];
  const Tensor x = recorded["input.x"];
  const Tensor noise = recorded["input.noise"];
  std::vector<Tensor> partial, full, inverse;
  for (std::int64_t i = 0; i < sigma.numel(); ++i) {
    const double s = sigma[i].item<double>();
    partial.push_back(sampling.noise_scaling(s, noise[i], x[i], NoiseStart::partial));
    full.push_back(sampling.noise_scaling(s, noise[i], x[i], NoiseStart::full));
    inverse.push_back(sampling.inverse_noise_scaling(s, x[i]));
  }
  const auto add = [&](const char* name, const Tensor& actual) {
    outcome.add(name, compare(recorded[name], actual, kSigmaTolerance));
  };
  add("expected.calculate_input", sampling.calculate_input(sigma, x));
  add("expected.calculate_denoised",
      sampling.calculate_denoised(sigma, recorded["input.model_output"], x));
  add("expected.noise_scaling", at::stack(partial));
  add("expected.noise_scaling_max", at::stack(full));
  add("expected.inverse_noise_scaling", at::stack(inverse));
}

Outcome run_parameterization(const Case& recorded, const ModelSampling& sampling) {
  Outcome outcome;
  const auto add = [&](const std::string& name, const Tensor& actual) {
    outcome.add(name, compare(recorded[name], actual, kSigmaTolerance));
  };
  for (const std::string& name : recorded.names("expected.")) {
    if (const auto sigmas = named_sigmas(name, sampling)) add(name, as_tensor(*sigmas));
  }
  if (sampling.sigmas().size(0) != recorded.info().int_or("n_sigmas", 0))
    return Outcome::failed("n_sigmas");
  add("expected.model_sampling.sigmas",
      sampling.sigmas().slice(0, 0, {}, recorded.info().int_or("sigmas_stride", 1)));
  add("expected.timestep", sampling.timestep(recorded["input.timestep_sigmas"].to(at::kFloat)));
  if (recorded.has("expected.sigma")) {
    add("expected.sigma", sampling.sigma(recorded["input.sigma_timesteps"].to(at::kFloat)));
  }
  Sigmas sigmas;
  for (const Json& percent : recorded.info().at("percents").as_array()) {
    sigmas.push_back(sampling.percent_to_sigma(percent.as_double()));
  }
  add("expected.percent_to_sigma", as_tensor(sigmas));
  add_scalings(outcome, recorded, sampling);
  return outcome;
}

/// The network of the recorded samplers.
sampling::Denoised toy_network(const Tensor& x, double sigma) {
  const Tensor s = at::full({}, sigma, at::kFloat);
  const Tensor shrunk = x / (1 + s * s);
  return {.guided = shrunk + 0.1 * x.sin(), .uncond = shrunk - 0.05 * x.cos()};
}

double sampler_tolerance(const std::string& sampler) {
  // Step control and quadrature in float32 by the reference, in double here.
  static const std::set<std::string> kLoose{"dpm_adaptive", "lms", "er_sde", "deis"};
  return kLoose.contains(sampler) ? 1e-4 : 1e-5;
}

/// What a sampler did on its way.
struct Trace {
  Sigmas visited;
  std::vector<Tensor> states;
  Tensor denoised;
  Json::Array indices;
  Tensor end;
  Tensor next_random;
};

Trace traced(const Case& recorded) {
  const Json& info = recorded.info();
  Trace trace;
  sampling::Denoiser denoiser{
      .evaluate = {},
      .sampling =
          ModelSampling{recorded_parameterizations().at(info.at("model_sampling").as_string())}};
  denoiser.evaluate = [&trace](const Tensor& x, double sigma, sampling::Guidance) {
    trace.visited.push_back(sigma);
    return toy_network(x, sigma);
  };
  sampling::SamplerContext context{.seed = static_cast<std::uint64_t>(info.at("seed").as_int())};
  context.generator.seed(context.seed);
  context.generator.randn(recorded["input.noise"].sizes().vec());  // which made the noise
  context.on_step = [&trace](const sampling::Step& step) {
    trace.indices.push_back(static_cast<std::int64_t>(step.index));
    trace.states.push_back(step.x);
    trace.denoised = step.denoised;
  };
  sampling::SamplerRun run{.sigmas = as_sigmas(recorded["input.sigmas"]),
                           .noise = recorded["input.noise"],
                           .latent = recorded["input.latent"]};
  if (info.bool_or("inpaint", false)) run.inpaint.mask = recorded["input.denoise_mask"];
  trace.end = run_sampler(recorded_sampler(info.at("sampler").as_string(), info.at("options")),
                          denoiser, run, context);
  trace.next_random = context.generator.randn({2});
  return trace;
}

/// ComfyUI breaks on order 1, which is Euler's method here.
Outcome run_deis_of_order_1() {
  const sampling::Denoiser denoiser{
      .evaluate = [](const Tensor& x, double sigma,
                     sampling::Guidance) { return toy_network(x, sigma); },
      .sampling = ModelSampling{}};
  const Sigmas sigmas{4.0, 2.0, 1.0, 0.0};
  const Tensor end = sampling::deis(denoiser, at::ones({1, 4, 2, 2}), sigmas, {}, {.order = 1});
  return end.isfinite().all().item<bool>() ? Outcome{}
                                           : Outcome::failed("deis of order 1 is not finite");
}

}  // namespace

std::optional<Outcome> run_noise(const std::filesystem::path& file) {
  if (file.extension() == ".json") return run_seed_sequence(file);
  const Case recorded = Case::load(file);
  if (file.stem().string().starts_with("samplers_")) return run_step_noise(recorded);
  Outcome outcome;
  for (const std::string& name : recorded.names("expected.")) {
    outcome.add(name, compare(recorded[name], prepared(name, recorded), kExact));
  }
  return outcome;
}

std::optional<Outcome> run_schedules(const std::filesystem::path& file) {
  const Case recorded = Case::load(file);
  if (file.stem() == "nodes") return {};  // whole nodes: run_sigma_nodes
  return run_parameterization(recorded,
                              ModelSampling{recorded_parameterizations().at(file.stem().string())});
}

std::optional<Outcome> run_samplers(const std::filesystem::path& file) {
  if (file.extension() == ".json") {
    // The other recorded error is of an option that there is no way to ask for.
    if (file.stem().string().find("max_order1") == std::string::npos) return {};
    return run_deis_of_order_1();
  }
  const Case recorded = Case::load(file);
  const double tolerance = sampler_tolerance(recorded.info().at("sampler").as_string());
  const Trace trace = traced(recorded);
  if (Json{trace.indices} != recorded.info().at("callback_i")) {
    return Outcome::failed("steps " + to_json(recorded.info().at("callback_i")) +
                           " expected, got " + to_json(Json{trace.indices}));
  }
  Outcome outcome;
  const auto add = [&](const std::string& name, const Tensor& actual) {
    if (recorded.has(name)) outcome.add(name, compare(recorded[name], actual, tolerance));
  };
  add("expected.model_sigmas", as_tensor(trace.visited));
  for (std::size_t i = 0; i < trace.states.size(); ++i)
    add("expected.x." + std::to_string(i), trace.states[i]);
  if (trace.denoised.defined()) add("expected.denoised.last", trace.denoised);
  add("expected.final", trace.end);
  add("expected.next_global_randn", trace.next_random);
  return outcome;
}

std::vector<std::filesystem::path> recorded_cases(const std::string& area) {
  const auto shared = shared_folder();
  const std::filesystem::path folder =
      shared ? *shared / "golden" / area : std::filesystem::path{"tests/golden/cases"} / area;
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::exists(folder)) return files;
  for (const auto& entry : std::filesystem::directory_iterator{folder})
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace comfy::golden
