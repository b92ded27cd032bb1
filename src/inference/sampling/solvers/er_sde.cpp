// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace comfy::sampling {

namespace {

constexpr int kIntegrationPoints = 200;

double default_scaler(double x) { return x * (std::exp(std::pow(x, 0.3)) + 10.0); }

/// Riemann sums over [to, from] of 1 / scaler and of its first moment about `from`.
struct ScalerIntegrals {
  double plain = 0.0;
  double moment = 0.0;
};
ScalerIntegrals integrate(const std::function<double(double)>& scaler, double from, double to) {
  const double width = (from - to) / kIntegrationPoints;
  ScalerIntegrals sums;
  for (int i = 0; i < kIntegrationPoints; ++i) {
    const double place = to + i * width;
    const double value = scaler(place);
    sums.plain += width / value;
    sums.moment += width * (place - from) / value;
  }
  return sums;
}

}  // namespace

Tensor er_sde(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
              const SamplerContext& context, const ErSde& options) {
  const std::function<double(double)> scaler =
      options.noise_scaler ? options.noise_scaler : default_scaler;
  const Sigmas levels = with_finite_snr(sigmas, denoise.sampling);
  std::vector<double> lambdas;  // sigma / alpha
  for (const double sigma : levels)
    lambdas.push_back(std::exp(-half_log_snr(sigma, denoise.sampling)));
  StepNoise noise = independent_noise(x, context.seed);
  Tensor previous;
  Tensor previous_slope;
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
    const Tensor denoised = denoise(x, levels[i]);
    context.report(i, levels[i], x, denoised);
    if (levels[i + 1] == 0.0) {
      x = denoised;
      continue;
    }
    const double from = lambdas[i];
    const double to = lambdas[i + 1];
    const double alpha_to = levels[i + 1] / to;
    const double r = scaler(to) / scaler(from);
    x = x * (alpha_to / (levels[i] / from) * r) + denoised * (alpha_to * (1 - r));
    const int stages = std::min(options.max_stage, static_cast<int>(i) + 1);
    if (stages >= 2) {
      const double step = to - from;
      const ScalerIntegrals sums = integrate(scaler, from, to);
      const Tensor slope = (denoised - previous) / (from - lambdas[i - 1]);
      x = x + slope * (alpha_to * (step + sums.plain * scaler(to)));
      if (stages >= 3) {
        const Tensor bend = (slope - previous_slope) / ((from - lambdas[i - 2]) / 2);
        x = x + bend * (alpha_to * (step * step / 2 + sums.moment * scaler(to)));
      }
      previous_slope = slope;
    }
    if (options.s_noise > 0) {
      const double variance = std::max(0.0, to * to - from * from * r * r);
      x = x + noise(levels[i], levels[i + 1]) * (alpha_to * options.s_noise * std::sqrt(variance));
    }
    previous = denoised;
  }
  return x;
}

}  // namespace comfy::sampling
