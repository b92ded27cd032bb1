// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/churn.h"
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

#include <cmath>

namespace comfy::sampling {

namespace {

/// One midpoint step from x at `from` to `to`; `denoised` belongs to x.
Tensor midpoint_step(const Denoiser& denoise, const Tensor& x, const Tensor& denoised, double from,
                     double to) {
  const Tensor slope = direction(x, from, denoised);
  if (to == 0.0) return x + slope * (to - from);
  const double middle = std::sqrt(from * to);
  const Tensor halfway = x + slope * (middle - from);
  return x + direction(halfway, middle, denoise(halfway, middle)) * (to - from);
}

}  // namespace

Tensor dpm_2(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
             const SamplerContext& context, const Churn& options) {
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const double sigma = churned(x, sigmas, i, options, context);
    const Tensor denoised = denoise(x, sigma);
    context.report(i, sigmas[i], x, denoised);
    x = midpoint_step(denoise, x, denoised, sigma, sigmas[i + 1]);
  }
  return x;
}

Tensor dpm_2_ancestral(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                       const SamplerContext& context, const Stochastic& options) {
  const bool flow = denoise.sampling.is_flow();
  StepNoise noise = independent_noise(x, context.seed);
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const Tensor denoised = denoise(x, sigmas[i]);
    context.report(i, sigmas[i], x, denoised);
    FlowAncestralStep step{};
    if (flow) {
      step = flow_ancestral_step(sigmas[i], sigmas[i + 1], options.eta);
    } else {
      const AncestralStep plain = ancestral_step(sigmas[i], sigmas[i + 1], options.eta);
      step = {.down = plain.down, .keep = 1.0, .renoise = plain.up};
    }
    x = midpoint_step(denoise, x, denoised, sigmas[i], step.down);
    if (step.down == 0.0) continue;
    x = x * step.keep + noise(sigmas[i], sigmas[i + 1]) * options.s_noise * step.renoise;
  }
  return x;
}

}  // namespace comfy::sampling
