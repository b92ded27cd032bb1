// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/stepping.h"

#include "inference/sampling/brownian.h"
#include "inference/tensor/ops.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace comfy::sampling {

StepNoise independent_noise(const Tensor& x, std::uint64_t seed) {
  return [x, generator = tensor::Generator{seed}](double, double) mutable {
    return generator.randn(x.sizes().vec(), x.scalar_type()).to(x.device());
  };
}

StepNoise brownian_noise(const Tensor& x, std::span<const double> sigmas, std::uint64_t seed) {
  double low = 0.0;
  double high = 0.0;
  for (const double sigma : sigmas) {
    if (sigma > 0.0 && (low == 0.0 || sigma < low)) low = sigma;
    high = std::max(high, sigma);
  }
  auto path = std::make_shared<BrownianPath>(low, high, x.sizes().vec(), seed);
  return [x, path](double from, double to) {
    const double sign = from < to ? 1.0 : -1.0;
    const Tensor increment = path->increment(std::min(from, to), std::max(from, to));
    return (increment * sign / std::sqrt(std::abs(to - from))).to(x.options());
  };
}

Tensor noise_like(const Tensor& x, const SamplerContext& context) {
  tensor::Generator generator = context.generator;
  return generator.randn(x.sizes().vec(), x.scalar_type()).to(x.device());
}

Tensor direction(const Tensor& x, double sigma, const Tensor& denoised) {
  return (x - denoised) / sigma;
}

AncestralStep ancestral_step(double from_sigma, double to_sigma, double eta) {
  if (eta == 0.0) return {to_sigma, 0.0};
  // float32 as in the reference: the difference below loses digits that its pictures carry.
  const auto from = static_cast<float>(from_sigma);
  const auto to = static_cast<float>(to_sigma);
  const float most =
      static_cast<float>(eta) * std::sqrt(to * to * (from * from - to * to) / (from * from));
  const float up = std::min(to, most);
  return {std::sqrt(to * to - up * up), up};
}

FlowAncestralStep flow_ancestral_step(double from, double to, double eta) {
  const double down = to * (1 + (to / from - 1) * eta);
  const double keep = (1 - to) / (1 - down);
  return {down, keep, std::sqrt(to * to - down * down * keep * keep)};
}

double half_log_snr(double sigma, const ModelSampling& sampling) {
  const Tensor s = at::full({}, sigma, at::kFloat);
  return -(sampling.is_flow() ? s.logit() : s.log()).item<double>();
}

double sigma_of_half_log_snr(double value, const ModelSampling& sampling) {
  const Tensor negative = at::full({}, -value, at::kFloat);
  return (sampling.is_flow() ? negative.sigmoid() : negative.exp()).item<double>();
}

Sigmas with_finite_snr(std::span<const double> sigmas, const ModelSampling& sampling) {
  constexpr double kOffset = 1e-4;
  Sigmas result{sigmas.begin(), sigmas.end()};
  if (result.size() > 1 && sampling.is_flow() && result[0] >= 1.0) {
    result[0] = static_cast<float>(sampling.percent_to_sigma(kOffset));
  }
  return result;
}

double alpha(double sigma, const ModelSampling& sampling) {
  return sampling.is_flow() ? 1.0 - sigma : 1.0;
}

}  // namespace comfy::sampling
