// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/schedule.h"

#include "foundation/base/error.h"
#include "inference/sampling/beta_distribution.h"
#include "inference/sampling/sampler.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace comfy::sampling {

namespace {

constexpr double kNothing = 1e-5;  // sigmas below count as the end of sampling

Sigmas to_sigmas(const Tensor& values) {
  const Tensor numbers = values.to(at::kFloat).contiguous();
  const float* begin = numbers.const_data_ptr<float>();
  return {begin, begin + numbers.numel()};
}

Sigmas with_zero(const Tensor& values) {
  Sigmas sigmas = to_sigmas(values);
  sigmas.push_back(0.0);
  return sigmas;
}

Tensor unit_ramp(int steps) { return at::linspace(0, 1, steps, at::kFloat); }

double entry(const ModelSampling& sampling, std::int64_t index) {
  return sampling.sigmas()[index].item<double>();
}

Sigmas simple(const ModelSampling& sampling, int steps) {
  const double stride = static_cast<double>(sampling.sigmas().size(0)) / steps;
  Sigmas sigmas;
  for (int i = 0; i < steps; ++i)
    sigmas.push_back(entry(sampling, -(1 + static_cast<std::int64_t>(i * stride))));
  sigmas.push_back(0.0);
  return sigmas;
}

/// Timesteps evenly from the noisiest to `last` (kept or left out), as sigmas.
Sigmas even_timesteps(const ModelSampling& sampling, int count, int keep) {
  const double start = sampling.timestep(sampling.sigma_max());
  const double end = sampling.timestep(sampling.sigma_min());
  return to_sigmas(sampling.sigma(at::linspace(start, end, count, at::kFloat).slice(0, 0, keep)));
}

Sigmas sgm_uniform(const ModelSampling& sampling, int steps) {
  Sigmas sigmas = even_timesteps(sampling, steps + 1, steps);
  sigmas.push_back(0.0);
  return sigmas;
}

Sigmas normal(const ModelSampling& sampling, int steps) {
  const bool ends_in_zero = sampling.sigma(sampling.timestep(sampling.sigma_min())) <= kNothing;
  if (ends_in_zero) return even_timesteps(sampling, steps + 1, steps + 1);
  Sigmas sigmas = even_timesteps(sampling, steps, steps);
  sigmas.push_back(0.0);
  return sigmas;
}

Sigmas ddim_uniform(const ModelSampling& sampling, int steps) {
  const std::int64_t entries = sampling.sigmas().size(0);
  const bool table_ends_in_zero = std::abs(entry(sampling, 1)) <= kNothing;
  Sigmas sigmas;
  if (!table_ends_in_zero) sigmas.push_back(0.0);
  const std::int64_t stride =
      std::max<std::int64_t>(entries / (steps + (table_ends_in_zero ? 1 : 0)), 1);
  for (std::int64_t i = 1; i < entries; i += stride) sigmas.push_back(entry(sampling, i));
  std::reverse(sigmas.begin(), sigmas.end());
  return sigmas;
}

Sigmas karras(const ModelSampling& sampling, int steps) {
  return karras_sigmas(steps, sampling.sigma_min(), sampling.sigma_max());
}

Sigmas exponential(const ModelSampling& sampling, int steps) {
  return exponential_sigmas(steps, sampling.sigma_min(), sampling.sigma_max());
}

Sigmas beta(const ModelSampling& sampling, int steps) { return beta_sigmas(sampling, steps); }

/// First half of the steps linear up to a small threshold, the rest quadratic. As published with
/// Mochi (Genmo 2024).
Sigmas linear_quadratic(const ModelSampling& sampling, int steps) {
  constexpr double kThreshold = 0.025;
  const auto top = static_cast<float>(sampling.sigma_max());
  if (steps == 1) return {top, 0.0};
  const int linear = steps / 2;
  const int quadratic = steps - linear;
  const double missing = linear - kThreshold * steps;
  const double square = missing / (static_cast<double>(linear) * quadratic * quadratic);
  const double slope =
      kThreshold / linear - 2 * missing / (static_cast<double>(quadratic) * quadratic);
  const double constant = square * linear * linear;
  Sigmas sigmas;
  for (int i = 0; i < steps; ++i) {
    const double done =
        i < linear ? i * kThreshold / linear : square * i * i + slope * i + constant;
    sigmas.push_back(static_cast<float>(1.0 - done) * top);
  }
  sigmas.push_back(0.0);
  return sigmas;
}

/// Sabour et al. 2024 (arXiv:2404.14507), eq. 15. One step gives NaN, as 0 / 0 does in ComfyUI.
Sigmas kl_optimal(const ModelSampling& sampling, int steps) {
  const Tensor part = at::arange(steps, at::kFloat) / static_cast<double>(steps - 1);
  return with_zero(
      (part * std::atan(sampling.sigma_min()) + (1 - part) * std::atan(sampling.sigma_max()))
          .tan());
}

constexpr std::array<Schedule, 9> kSchedules{{
    {"simple", simple},
    {"sgm_uniform", sgm_uniform},
    {"karras", karras},
    {"exponential", exponential},
    {"ddim_uniform", ddim_uniform},
    {"beta", beta},
    {"normal", normal},
    {"linear_quadratic", linear_quadratic},
    {"kl_optimal", kl_optimal},
}};

Sigmas last(Sigmas sigmas, int steps) {
  const auto keep = static_cast<std::size_t>(steps) + 1;
  if (sigmas.size() > keep)
    sigmas.erase(sigmas.begin(), sigmas.end() - static_cast<std::ptrdiff_t>(keep));
  return sigmas;
}

}  // namespace

std::span<const Schedule> schedules() { return kSchedules; }

std::vector<std::string> schedule_names() {
  std::vector<std::string> names;
  for (const Schedule& row : kSchedules) names.emplace_back(row.name);
  return names;
}

Sigmas schedule(std::string_view name, const ModelSampling& sampling, int steps) {
  if (steps < 1)
    throw Error{Error::Kind::invalid_input, fmt::format("steps must be at least 1, got {}", steps)};
  for (const Schedule& row : kSchedules) {
    if (row.name == name) return row.function(sampling, steps);
  }
  throw Error{Error::Kind::invalid_input,
              fmt::format("scheduler must be one of the menu, got \"{}\"", name)};
}

Sigmas ksampler_sigmas(const ModelSampling& sampling, std::string_view sampler,
                       std::string_view scheduler, int steps, double denoise) {
  if (denoise <= 0.0) return {};
  const int total = denoise > 0.9999 ? steps : static_cast<int>(steps / denoise);
  const bool discard = discards_penultimate_sigma(sampler);
  Sigmas sigmas = schedule(scheduler, sampling, total + (discard ? 1 : 0));
  if (discard && sigmas.size() >= 2) sigmas.erase(sigmas.end() - 2);
  return denoise > 0.9999 ? sigmas : last(std::move(sigmas), steps);
}

Sigmas basic_scheduler_sigmas(const ModelSampling& sampling, std::string_view scheduler, int steps,
                              double denoise) {
  if (denoise <= 0.0) return {};
  const int total = denoise < 1.0 ? static_cast<int>(steps / denoise) : steps;
  return last(schedule(scheduler, sampling, total), steps);
}

Sigmas karras_sigmas(int steps, double sigma_min, double sigma_max, double rho) {
  const double low = std::pow(sigma_min, 1 / rho);
  const double high = std::pow(sigma_max, 1 / rho);
  return with_zero((high + unit_ramp(steps) * (low - high)).pow(rho));
}

Sigmas exponential_sigmas(int steps, double sigma_min, double sigma_max) {
  return with_zero(at::linspace(std::log(sigma_max), std::log(sigma_min), steps, at::kFloat).exp());
}

Sigmas polyexponential_sigmas(int steps, double sigma_min, double sigma_max, double rho) {
  const Tensor ramp = at::linspace(1, 0, steps, at::kFloat).pow(rho);
  return with_zero(
      (ramp * (std::log(sigma_max) - std::log(sigma_min)) + std::log(sigma_min)).exp());
}

Sigmas laplace_sigmas(int steps, double sigma_min, double sigma_max, double mu, double beta) {
  constexpr double kAwayFromZero = 1e-5;
  const Tensor from_middle = 0.5 - unit_ramp(steps);
  const Tensor log_sigma =
      mu - beta * from_middle.sign() * (1 - 2 * from_middle.abs() + kAwayFromZero).log();
  return to_sigmas(log_sigma.exp().clamp(sigma_min, sigma_max));
}

Sigmas vp_sigmas(int steps, double beta_d, double beta_min, double eps_s) {
  const Tensor t = at::linspace(1, eps_s, steps, at::kFloat);
  return with_zero((beta_d * t.pow(2) / 2 + beta_min * t).expm1().sqrt());
}

Sigmas beta_sigmas(const ModelSampling& sampling, int steps, double alpha, double beta_parameter) {
  const double last_entry = static_cast<double>(sampling.sigmas().size(0) - 1);
  Sigmas sigmas;
  double previous = -1.0;
  for (int i = 0; i < steps; ++i) {
    const double probability = 1.0 - static_cast<double>(i) / steps;
    // Halves go up: scipy's quantiles, which the reference rounds, lie a hair above them.
    const double position = beta_quantile(probability, alpha, beta_parameter) * last_entry;
    const double index = std::floor(position + 0.5 + 1e-9);
    if (index != previous) sigmas.push_back(entry(sampling, static_cast<std::int64_t>(index)));
    previous = index;
  }
  sigmas.push_back(0.0);
  return sigmas;
}

}  // namespace comfy::sampling
