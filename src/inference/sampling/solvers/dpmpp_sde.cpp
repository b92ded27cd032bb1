// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

#include <cmath>

namespace comfy::sampling {

namespace {

/// One stage of the two-stage solver: from x at `from` to `to` along `clean`, with noise on top.
struct SdeStage {
  const ModelSampling& sampling;
  StepNoise& noise;
  const DpmppSde& options;

  Tensor operator()(const Tensor& x, const Tensor& clean, double from, double to) const {
    const double lambda_from = half_log_snr(from, sampling);
    const double lambda_to = half_log_snr(to, sampling);
    const double alpha_from = from * std::exp(lambda_from);
    const double alpha_to = to * std::exp(lambda_to);
    const AncestralStep step =
        ancestral_step(std::exp(-lambda_from), std::exp(-lambda_to), options.eta);
    const double h = -std::log(step.down) - lambda_from;
    const Tensor next =
        x * (alpha_to / alpha_from * std::exp(-h)) - clean * (alpha_to * std::expm1(-h));
    if (options.eta <= 0 || options.s_noise <= 0) return next;
    return next + noise(from, to) * (alpha_to * options.s_noise * step.up);
  }
};

/// The sigma at a part of the way in log SNR, in the reference's float32 arithmetic.
double part_of_the_way(double from, double to, double part, const ModelSampling& sampling) {
  const auto start = static_cast<float>(half_log_snr(from, sampling));
  const float step = static_cast<float>(half_log_snr(to, sampling)) - start;
  return sigma_of_half_log_snr(start + static_cast<float>(part) * step, sampling);
}

}  // namespace

Tensor dpmpp_sde(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                 const SamplerContext& context, const DpmppSde& options) {
  if (sigmas.size() <= 1) return x;
  StepNoise noise = brownian_noise(x, sigmas, context.seed);
  const SdeStage stage{denoise.sampling, noise, options};
  const Sigmas levels = with_finite_snr(sigmas, denoise.sampling);
  const double second = 1 / (2 * options.r);
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
    const double from = levels[i];
    const double to = levels[i + 1];
    const Tensor denoised = denoise(x, from);
    context.report(i, from, x, denoised);
    if (to == 0.0) {
      x = denoised;
      continue;
    }
    const double middle = part_of_the_way(from, to, options.r, denoise.sampling);
    const Tensor x_middle = stage(x, denoised, from, middle);
    const Tensor denoised_middle = denoise(x_middle, middle);
    x = stage(x, denoised * (1 - second) + denoised_middle * second, from, to);
  }
  return x;
}

namespace {

/// What the multistep SDE solvers know about a step.
struct SdeStep {
  double h;      ///< in half log SNR
  double h_eta;  ///< the same, lengthened by the noise
  double alpha;  ///< at its end
};

/// The first-order step, and its noise: what orders 2 and 3 only correct.
class MultistepSde {
 public:
  MultistepSde(const Denoiser& denoise, const Tensor& x, std::span<const double> sigmas,
               const SamplerContext& context, const Stochastic& options)
      : options_{options},
        sampling_{denoise.sampling},
        noise_{brownian_noise(x, sigmas, context.seed)} {}

  SdeStep step(double from, double to) const {
    const double lambda_to = half_log_snr(to, sampling_);
    const double h = lambda_to - half_log_snr(from, sampling_);
    return {h, h * (options_.eta + 1), to * std::exp(lambda_to)};
  }
  Tensor first_order(const Tensor& x, const Tensor& denoised, double from, double to) const {
    const SdeStep s = step(from, to);
    return x * (to / from * std::exp(-s.h * options_.eta)) -
           denoised * (s.alpha * std::expm1(-s.h_eta));
  }
  Tensor noised(const Tensor& x, double from, double to) {
    if (options_.eta <= 0 || options_.s_noise <= 0) return x;
    const double strength = std::sqrt(-std::expm1(-2 * step(from, to).h * options_.eta));
    return x + noise_(from, to) * (to * strength * options_.s_noise);
  }

 private:
  Stochastic options_;
  ModelSampling sampling_;
  StepNoise noise_;
};

}  // namespace

Tensor dpmpp_2m_sde(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                    const SamplerContext& context, const Dpmpp2mSde& options) {
  if (sigmas.size() <= 1) return x;
  MultistepSde sde{denoise, x, sigmas, context, {.eta = options.eta, .s_noise = options.s_noise}};
  const Sigmas levels = with_finite_snr(sigmas, denoise.sampling);
  Tensor previous;
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
    const double from = levels[i];
    const double to = levels[i + 1];
    const Tensor denoised = denoise(x, from);
    context.report(i, from, x, denoised);
    if (to == 0.0) {
      x = denoised;
      continue;
    }
    x = sde.first_order(x, denoised, from, to);
    if (previous.defined()) {
      const SdeStep step = sde.step(from, to);
      const double per_step = step.h / sde.step(levels[i - 1], from).h;
      const double phi_1 = -std::expm1(-step.h_eta);
      const double weight =
          options.solver == Dpmpp2mSde::Solver::heun ? 1 - phi_1 / step.h_eta : 0.5 * phi_1;
      x = x + (denoised - previous) * (step.alpha * weight * per_step);
    }
    x = sde.noised(x, from, to);
    previous = denoised;
  }
  return x;
}

Tensor dpmpp_3m_sde(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                    const SamplerContext& context, const Stochastic& options) {
  if (sigmas.size() <= 1) return x;
  MultistepSde sde{denoise, x, sigmas, context, options};
  const Sigmas levels = with_finite_snr(sigmas, denoise.sampling);
  Tensor previous;
  Tensor earlier;
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
    const double from = levels[i];
    const double to = levels[i + 1];
    const Tensor denoised = denoise(x, from);
    context.report(i, from, x, denoised);
    if (to == 0.0) {
      x = denoised;
      continue;
    }
    x = sde.first_order(x, denoised, from, to);
    const SdeStep step = sde.step(from, to);
    const double phi_2 = std::expm1(-step.h_eta) / step.h_eta + 1;
    if (previous.defined()) {
      const double r0 = sde.step(levels[i - 1], from).h / step.h;
      Tensor slope = (denoised - previous) / r0;
      if (earlier.defined()) {
        const double r1 = sde.step(levels[i - 2], levels[i - 1]).h / step.h;
        const Tensor change = slope - (previous - earlier) / r1;
        const double phi_3 = phi_2 / step.h_eta - 0.5;
        slope = slope + change * (r0 / (r0 + r1));
        x = x - change * (step.alpha * phi_3 / (r0 + r1));
      }
      x = x + slope * (step.alpha * phi_2);
    }
    x = sde.noised(x, from, to);
    earlier = previous;
    previous = denoised;
  }
  return x;
}

}  // namespace comfy::sampling
