// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/churn.h"
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

namespace comfy::sampling {

Tensor heun(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
            const SamplerContext& context, const Churn& options) {
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const double sigma = churned(x, sigmas, i, options, context);
    const double next = sigmas[i + 1];
    const Tensor denoised = denoise(x, sigma);
    Tensor slope = direction(x, sigma, denoised);
    context.report(i, sigmas[i], x, denoised);
    if (next != 0.0) {
      const Tensor ahead = x + slope * (next - sigma);
      slope = (slope + direction(ahead, next, denoise(ahead, next))) / 2;
    }
    x = x + slope * (next - sigma);
  }
  return x;
}

namespace {

/// The mean of the slopes here and at the next one or two sigmas, weighted by those sigmas.
Tensor weighted_slope(const Denoiser& denoise, const Tensor& ahead, const Tensor& slope,
                      std::span<const double> sigmas, std::size_t i) {
  const double next = sigmas[i + 1];
  const Tensor slope_2 = direction(ahead, next, denoise(ahead, next));
  const double after = sigmas[i + 2];
  if (after == sigmas.back()) {
    const double weight = next / (2 * sigmas[0]);
    return slope * (1 - weight) + slope_2 * weight;
  }
  const Tensor further = ahead + slope_2 * (after - next);
  const Tensor slope_3 = direction(further, after, denoise(further, after));
  const double weight_2 = next / (3 * sigmas[0]);
  const double weight_3 = after / (3 * sigmas[0]);
  return slope * (1 - weight_2 - weight_3) + slope_2 * weight_2 + slope_3 * weight_3;
}

}  // namespace

Tensor heunpp2(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
               const SamplerContext& context, const Churn& options) {
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    // ComfyUI draws the noise of every step here, wanted or not.
    if (options.s_churn <= 0 || sigmas[i] < options.s_tmin || sigmas[i] > options.s_tmax)
      noise_like(x, context);
    const double sigma = churned(x, sigmas, i, options, context);
    const Tensor denoised = denoise(x, sigma);
    Tensor slope = direction(x, sigma, denoised);
    context.report(i, sigmas[i], x, denoised);
    const double step = sigmas[i + 1] - sigma;
    if (sigmas[i + 1] != sigmas.back())
      slope = weighted_slope(denoise, x + slope * step, slope, sigmas, i);
    x = x + slope * step;
  }
  return x;
}

}  // namespace comfy::sampling
