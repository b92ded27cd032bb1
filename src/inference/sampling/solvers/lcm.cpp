// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"
#include "inference/tensor/resample.h"

#include <algorithm>
#include <cmath>

namespace comfy::sampling {

Tensor lcm(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
           const SamplerContext& context) {
  StepNoise noise = independent_noise(x, context.seed);
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const Tensor denoised = denoise(x, sigmas[i]);
    context.report(i, sigmas[i], x, denoised);
    x = denoised;
    if (sigmas[i + 1] > 0.0) {
      x = denoise.sampling.noise_scaling(sigmas[i + 1], noise(sigmas[i], sigmas[i + 1]), x,
                                         NoiseStart::partial);
    }
  }
  return x;
}

Tensor lcm_upscale(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                   const SamplerContext& context, const LcmUpscale& options) {
  const auto count = static_cast<int>(sigmas.size());
  const int stages = options.scale_steps < 0 ? std::max(count / 2 + 1, 2) - 1
                                             : std::min(options.scale_steps + 1, count + 1) - 1;
  const auto width = static_cast<double>(x.size(-1));
  const auto height = static_cast<double>(x.size(-2));
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const Tensor denoised = denoise(x, sigmas[i]);
    context.report(i, sigmas[i], x, denoised);
    x = denoised;
    if (static_cast<int>(i) < stages) {
      const double scale = 1.0 + (options.scale_ratio - 1.0) * static_cast<double>(i + 1) / stages;
      x = tensor::resample(x, static_cast<std::int64_t>(std::nearbyint(width * scale)),
                           static_cast<std::int64_t>(std::nearbyint(height * scale)),
                           options.method, tensor::Crop::none);
    }
    if (sigmas[i + 1] > 0.0) x = x + noise_like(x, context) * sigmas[i + 1];
  }
  return x;
}

}  // namespace comfy::sampling
