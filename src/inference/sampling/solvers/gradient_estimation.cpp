// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

namespace comfy::sampling {

Tensor gradient_estimation(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                           const SamplerContext& context, const GradientEstimation& options) {
  const bool cfg_pp = options.guidance == Guidance::with_uncond;
  Tensor previous;
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const Denoised denoised = denoise.evaluate(x, sigmas[i], options.guidance);
    const Tensor slope = direction(x, sigmas[i], cfg_pp ? denoised.uncond : denoised.guided);
    context.report(i, sigmas[i], x, denoised.guided);
    if (sigmas[i + 1] == 0.0) {
      x = denoised.guided;
    } else {
      const double step = sigmas[i + 1] - sigmas[i];
      x = cfg_pp ? denoised.guided + slope * sigmas[i + 1] : x + slope * step;
      if (previous.defined()) x = x + (slope - previous) * ((options.ge_gamma - 1) * step);
    }
    previous = slope;
  }
  return x;
}

}  // namespace comfy::sampling
