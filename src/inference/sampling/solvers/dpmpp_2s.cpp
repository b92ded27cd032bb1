// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

#include <cmath>

namespace comfy::sampling {

namespace {

/// x moved from one sigma to a lower one while the clean sample stays what it is.
Tensor towards(const Tensor& x, const Tensor& clean, double from, double to) {
  return x * (to / from) + clean * (1 - to / from);
}

/// The geometric mean of two sigmas; for flows the sigma of the mean log SNR.
double halfway(double from, double to, const ModelSampling& sampling) {
  if (!sampling.is_flow()) return std::sqrt(from * to);
  constexpr double kBelowOne = 0.9999;  // a sigma of 1 has no log SNR
  if (from == 1.0) return kBelowOne;
  return sigma_of_half_log_snr(0.5 * (half_log_snr(from, sampling) + half_log_snr(to, sampling)),
                               sampling);
}

FlowAncestralStep step_down(const ModelSampling& sampling, double from, double to, double eta) {
  if (sampling.is_flow()) return flow_ancestral_step(from, to, eta);
  const AncestralStep step = ancestral_step(from, to, eta);
  return {.down = step.down, .keep = 1.0, .renoise = step.up};
}

}  // namespace

Tensor dpmpp_2s_ancestral(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                          const SamplerContext& context, const Stochastic& options) {
  const ModelSampling& sampling = denoise.sampling;
  StepNoise noise = independent_noise(x, context.seed);
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const double from = sigmas[i];
    const Tensor denoised = denoise(x, from);
    const FlowAncestralStep step = step_down(sampling, from, sigmas[i + 1], options.eta);
    context.report(i, from, x, denoised);
    Tensor clean = denoised;
    if (step.down != 0.0) {
      const double middle = halfway(from, step.down, sampling);
      clean = denoise(towards(x, denoised, from, middle), middle);
    }
    x = towards(x, clean, from, step.down);
    if (sigmas[i + 1] > 0.0 && (options.eta > 0 || !sampling.is_flow())) {
      x = x * step.keep + noise(from, sigmas[i + 1]) * (options.s_noise * step.renoise);
    }
  }
  return x;
}

Tensor dpmpp_2s_ancestral_cfg_pp(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                                 const SamplerContext& context, const Stochastic& options) {
  StepNoise noise = independent_noise(x, context.seed);
  // The sample as it would be had guidance moved the unguided one.
  const auto guided = [](const Tensor& sample, const Denoised& denoised) {
    return sample + (denoised.guided - denoised.uncond);
  };
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const double from = sigmas[i];
    const Denoised denoised = denoise.with_uncond(x, from);
    const AncestralStep step = ancestral_step(from, sigmas[i + 1], options.eta);
    context.report(i, from, x, denoised.guided);
    if (step.down == 0.0) {
      x = denoised.guided;
    } else {
      const double middle = std::sqrt(from * step.down);
      const Tensor x_middle = towards(guided(x, denoised), denoised.guided, from, middle);
      const Denoised there = denoise.with_uncond(x_middle, middle);
      x = towards(x + (denoised.guided - there.uncond), there.guided, from, step.down);
    }
    if (sigmas[i + 1] > 0.0) x = x + noise(from, sigmas[i + 1]) * (options.s_noise * step.up);
  }
  return x;
}

}  // namespace comfy::sampling
