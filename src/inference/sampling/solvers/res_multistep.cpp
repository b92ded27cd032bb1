// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

#include <cmath>

namespace comfy::sampling {

namespace {

double finite(double value) { return std::isnan(value) ? 0.0 : value; }

}  // namespace

Tensor res_multistep(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                     const SamplerContext& context, const ResMultistep& options) {
  const bool cfg_pp = options.guidance == Guidance::with_uncond;
  StepNoise noise = independent_noise(x, context.seed);
  Tensor previous;
  double previous_down = 0.0;
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const Denoised denoised = denoise.evaluate(x, sigmas[i], options.guidance);
    const Tensor& clean = cfg_pp ? denoised.uncond : denoised.guided;
    const AncestralStep step = ancestral_step(sigmas[i], sigmas[i + 1], options.eta);
    context.report(i, sigmas[i], x, denoised.guided);
    if (step.down == 0.0 || !previous.defined()) {
      const Tensor slope = direction(x, sigmas[i], clean);
      x = cfg_pp ? denoised.guided + slope * step.down : x + slope * (step.down - sigmas[i]);
    } else {
      const double h = std::log(sigmas[i]) - std::log(step.down);
      const double c2 = (std::log(previous_down) - std::log(sigmas[i - 1])) / h;
      const double phi_1 = std::expm1(-h) / -h;
      const double phi_2 = (phi_1 - 1.0) / -h;
      if (cfg_pp) x = x + (denoised.guided - denoised.uncond);
      x = x * std::exp(-h) +
          (clean * finite(phi_1 - phi_2 / c2) + previous * finite(phi_2 / c2)) * h;
    }
    if (sigmas[i + 1] > 0.0) x = x + noise(sigmas[i], sigmas[i + 1]) * (options.s_noise * step.up);
    previous = clean;
    previous_down = step.down;
  }
  return x;
}

}  // namespace comfy::sampling
