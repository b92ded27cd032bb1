// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

#include <cmath>

namespace comfy::sampling {

namespace {

double h_phi_1(double h) { return std::expm1(h); }
double h_phi_2(double h) { return (std::expm1(h) - h) / h; }

/// A step from one sigma to the next in half log SNR, and the noise that piles up inside it.
class StochasticInterval {
 public:
  StochasticInterval(double from, double to, const ModelSampling& sampling, double eta)
      : sampling_{sampling},
        from_{from},
        lambda_from_{half_log_snr(from, sampling)},
        h_{half_log_snr(to, sampling) - lambda_from_},
        eta_{eta} {}

  /// The sigma at a part of the way.
  double sigma(double part) const {
    return sigma_of_half_log_snr(lambda_from_ + part * h_, sampling_);
  }
  double h_eta(double part) const { return part * h_ * (eta_ + 1); }
  /// The sample scaled to a part of the way.
  Tensor scaled(const Tensor& x, double part, double sigma_there) const {
    return x * (sigma_there / from_ * std::exp(-part * h_ * eta_));
  }
  double alpha_at(double part, double sigma_there) const {
    return sigma_there * std::exp(lambda_from_ + part * h_);
  }
  /// The noise so far, carried on from one part of the way to a later one.
  Tensor carried(const Tensor& before, double part_from, double part_to,
                 const Tensor& fresh) const {
    const double segment = (part_from - part_to) * h_ * eta_;
    const Tensor added = fresh * std::sqrt(-std::expm1(2 * segment));
    return before.defined() ? before * std::exp(segment) + added : added;
  }

 private:
  const ModelSampling& sampling_;
  double from_;
  double lambda_from_;
  double h_;
  double eta_;
};

}  // namespace

Tensor seeds_2(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
               const SamplerContext& context, const Seeds2& options) {
  const Sigmas levels = with_finite_snr(sigmas, denoise.sampling);
  StepNoise draw = independent_noise(x, context.seed);
  const bool noisy = options.eta > 0 && options.s_noise > 0;
  const double r = options.r;
  const double second = 1 / (2 * r);
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
    const double from = levels[i];
    const double to = levels[i + 1];
    const Tensor denoised = denoise(x, from);
    context.report(i, from, x, denoised);
    if (to == 0.0) {
      x = denoised;
      continue;
    }
    const StochasticInterval step{from, to, denoise.sampling, options.eta};
    const double middle = step.sigma(r);
    Tensor x_2 =
        step.scaled(x, r, middle) - denoised * (step.alpha_at(r, middle) * h_phi_1(-step.h_eta(r)));
    Tensor noise;
    if (noisy) {
      noise = step.carried(noise, 0, r, draw(from, middle));
      x_2 = x_2 + noise * (middle * options.s_noise);
    }
    const Tensor denoised_2 = denoise(x_2, middle);
    const Tensor clean = denoised * (1 - second) + denoised_2 * second;
    x = step.scaled(x, 1, to) - clean * (step.alpha_at(1, to) * h_phi_1(-step.h_eta(1)));
    if (noisy) x = x + step.carried(noise, r, 1, draw(middle, to)) * (to * options.s_noise);
  }
  return x;
}

Tensor seeds_3(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
               const SamplerContext& context, const Seeds3& options) {
  const Sigmas levels = with_finite_snr(sigmas, denoise.sampling);
  StepNoise draw = independent_noise(x, context.seed);
  const bool noisy = options.eta > 0 && options.s_noise > 0;
  const double r1 = options.r_1;
  const double r2 = options.r_2;
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
    const double from = levels[i];
    const double to = levels[i + 1];
    const Tensor denoised = denoise(x, from);
    context.report(i, from, x, denoised);
    if (to == 0.0) {
      x = denoised;
      continue;
    }
    const StochasticInterval step{from, to, denoise.sampling, options.eta};
    const double sigma_1 = step.sigma(r1);
    const double sigma_2 = step.sigma(r2);
    Tensor noise;
    Tensor x_2 = step.scaled(x, r1, sigma_1) -
                 denoised * (step.alpha_at(r1, sigma_1) * h_phi_1(-step.h_eta(r1)));
    if (noisy) {
      noise = step.carried(noise, 0, r1, draw(from, sigma_1));
      x_2 = x_2 + noise * (sigma_1 * options.s_noise);
    }
    const Tensor denoised_2 = denoise(x_2, sigma_1);
    const double a2 = r2 / r1 * h_phi_2(-step.h_eta(r2));
    const double a1 = h_phi_1(-step.h_eta(r2)) - a2;
    Tensor x_3 = step.scaled(x, r2, sigma_2) -
                 (denoised * a1 + denoised_2 * a2) * step.alpha_at(r2, sigma_2);
    if (noisy) {
      noise = step.carried(noise, r1, r2, draw(sigma_1, sigma_2));
      x_3 = x_3 + noise * (sigma_2 * options.s_noise);
    }
    const Tensor denoised_3 = denoise(x_3, sigma_2);
    const double b3 = h_phi_2(-step.h_eta(1)) / r2;
    const double b1 = h_phi_1(-step.h_eta(1)) - b3;
    x = step.scaled(x, 1, to) - (denoised * b1 + denoised_3 * b3) * step.alpha_at(1, to);
    if (noisy) x = x + step.carried(noise, r2, 1, draw(sigma_2, to)) * (to * options.s_noise);
  }
  return x;
}

}  // namespace comfy::sampling
