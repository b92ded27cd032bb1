// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/churn.h"
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

namespace comfy::sampling {

Tensor euler(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
             const SamplerContext& context, const Churn& options) {
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const double sigma = churned(x, sigmas, i, options, context);
    const Tensor denoised = denoise(x, sigma);
    const Tensor slope = direction(x, sigma, denoised);
    context.report(i, sigmas[i], x, denoised);
    x = x + slope * (sigmas[i + 1] - sigma);
  }
  return x;
}

namespace {

Tensor flow_euler_ancestral(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                            const SamplerContext& context, const Stochastic& options) {
  StepNoise noise = independent_noise(x, context.seed);
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const Tensor denoised = denoise(x, sigmas[i]);
    context.report(i, sigmas[i], x, denoised);
    if (sigmas[i + 1] == 0.0) {
      x = denoised;
      continue;
    }
    const FlowAncestralStep step = flow_ancestral_step(sigmas[i], sigmas[i + 1], options.eta);
    const double kept = step.down / sigmas[i];
    x = x * kept + denoised * (1 - kept);
    if (options.eta > 0)
      x = x * step.keep + noise(sigmas[i], sigmas[i + 1]) * options.s_noise * step.renoise;
  }
  return x;
}

}  // namespace

Tensor euler_ancestral(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                       const SamplerContext& context, const Stochastic& options) {
  if (denoise.sampling.is_flow()) return flow_euler_ancestral(denoise, x, sigmas, context, options);
  StepNoise noise = independent_noise(x, context.seed);
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const Tensor denoised = denoise(x, sigmas[i]);
    const AncestralStep step = ancestral_step(sigmas[i], sigmas[i + 1], options.eta);
    context.report(i, sigmas[i], x, denoised);
    if (step.down == 0.0) {
      x = denoised;
      continue;
    }
    x = x + direction(x, sigmas[i], denoised) * (step.down - sigmas[i]) +
        noise(sigmas[i], sigmas[i + 1]) * options.s_noise * step.up;
  }
  return x;
}

Tensor euler_ancestral_cfg_pp(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                              const SamplerContext& context, const Stochastic& options) {
  StepNoise noise = independent_noise(x, context.seed);
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const Denoised denoised = denoise.with_uncond(x, sigmas[i]);
    context.report(i, sigmas[i], x, denoised.guided);
    if (sigmas[i + 1] == 0.0) {
      x = denoised.guided;
      continue;
    }
    const double alpha_from = alpha(sigmas[i], denoise.sampling);
    const double alpha_to = alpha(sigmas[i + 1], denoise.sampling);
    const Tensor slope = direction(x, sigmas[i], denoised.uncond * alpha_from);
    const AncestralStep step =
        ancestral_step(sigmas[i] / alpha_from, sigmas[i + 1] / alpha_to, options.eta);
    x = denoised.guided * alpha_to + slope * (step.down * alpha_to);
    if (options.eta > 0 && options.s_noise > 0) {
      x = x + noise(sigmas[i], sigmas[i + 1]) * (alpha_to * options.s_noise * step.up);
    }
  }
  return x;
}

Tensor euler_cfg_pp(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                    const SamplerContext& context) {
  return euler_ancestral_cfg_pp(denoise, x, sigmas, context, {.eta = 0.0, .s_noise = 0.0});
}

Tensor euler_pp(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                const SamplerContext& context) {
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const Denoised denoised = denoise.with_uncond(x, sigmas[i]);
    const Tensor slope =
        direction(x - denoised.guided + denoised.uncond, sigmas[i], denoised.guided);
    context.report(i, sigmas[i], x, denoised.guided);
    x = x + slope * (sigmas[i + 1] - sigmas[i]);
  }
  return x;
}

}  // namespace comfy::sampling
