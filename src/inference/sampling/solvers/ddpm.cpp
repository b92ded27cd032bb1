// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

#include <cmath>

namespace comfy::sampling {

Tensor ddpm(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
            const SamplerContext& context) {
  StepNoise noise = independent_noise(x, context.seed);
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const double from = sigmas[i];
    const double to = sigmas[i + 1];
    const Tensor denoised = denoise(x, from);
    context.report(i, from, x, denoised);
    // float32, as the reference: at huge sigmas 1 - alpha would be another number in double.
    const auto square = [](double sigma) {
      return static_cast<float>(sigma) * static_cast<float>(sigma);
    };
    const float signal_from = 1 / (square(from) + 1);  // the paper's cumulated alpha
    const float signal_to = 1 / (square(to) + 1);
    const float step = signal_from / signal_to;
    const Tensor scaled = x / std::sqrt(1 + square(from));
    const Tensor eps = direction(x, from, denoised);
    x = (scaled - eps * (1 - step) / std::sqrt(1 - signal_from)) * std::sqrt(1 / step);
    if (to == 0.0) continue;
    x = x + noise(from, to) * std::sqrt((1 - step) * (1 - signal_to) / (1 - signal_from));
    x = x * std::sqrt(1 + square(to));
  }
  return x;
}

}  // namespace comfy::sampling
