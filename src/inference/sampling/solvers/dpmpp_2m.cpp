// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

#include <cmath>

namespace comfy::sampling {

namespace {

/// How far step i goes in -log sigma (infinite when it ends at 0).
double log_step(std::span<const double> sigmas, std::size_t i) {
  return std::log(sigmas[i]) - std::log(sigmas[i + 1]);
}

}  // namespace

Tensor dpmpp_2m(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                const SamplerContext& context) {
  Tensor previous;
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const Tensor denoised = denoise(x, sigmas[i]);
    context.report(i, sigmas[i], x, denoised);
    const double h = log_step(sigmas, i);
    Tensor clean = denoised;
    if (previous.defined() && sigmas[i + 1] != 0.0) {
      const double ahead = h / (2 * log_step(sigmas, i - 1));
      clean = denoised * (1 + ahead) - previous * ahead;
    }
    x = x * (sigmas[i + 1] / sigmas[i]) - clean * std::expm1(-h);
    previous = denoised;
  }
  return x;
}

Tensor dpmpp_2m_cfg_pp(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                       const SamplerContext& context) {
  Tensor previous;  // the unguided one
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const Denoised denoised = denoise.with_uncond(x, sigmas[i]);
    context.report(i, sigmas[i], x, denoised.guided);
    const double h = log_step(sigmas, i);
    const double kept = std::exp(-h);
    Tensor next = denoised.guided - denoised.uncond * kept + x * kept;
    if (previous.defined() && sigmas[i + 1] != 0.0) {
      const double ahead = h / (2 * log_step(sigmas, i - 1));
      next = next - (denoised.guided - previous) * (std::expm1(-h) * ahead);
    }
    x = next;
    previous = denoised.uncond;
  }
  return x;
}

}  // namespace comfy::sampling
