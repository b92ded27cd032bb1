// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace comfy::sampling {

namespace {

constexpr std::int64_t kQuadraturePoints = 10000;

/// The variance-preserving time in which the paper integrates: betas fitted to sigmas .002 to 80.
/// Arithmetic in float32 as the reference, whose rounding shows in the integrals.
class VpTime {
 public:
  VpTime() {
    constexpr double kFirst = 1e-3;
    const Tensor low = (at::full({}, 0.002, at::kFloat).pow(2) + 1).log();
    const Tensor high = (at::full({}, 80.0, at::kFloat).pow(2) + 1).log();
    slope_ = 2 * (low / kFirst - high) / (kFirst - 1);
    beta_0_ = high - 0.5 * slope_;
    beta_1_ = slope_ + beta_0_;
  }

  Tensor of(const Tensor& sigmas) const {
    return ((beta_0_.pow(2) + 2 * slope_ * (sigmas.pow(2) + 1).log()).sqrt() - beta_0_) / slope_;
  }

  /// How fast sigma / alpha grows, over alpha, at times t.
  Tensor integrand(const Tensor& t) const {
    const Tensor rise = beta_1_ - beta_0_;
    const Tensor alpha = (-0.5 * t.pow(2) * rise - t * beta_0_).exp();
    return 0.5 * (t * rise + beta_0_) / (alpha * (1 - alpha)).sqrt();
  }

 private:
  Tensor slope_, beta_0_, beta_1_;
};

/// Weights of the slopes, newest first, over the step from times[i].
std::vector<double> step_weights(const VpTime& time, const Tensor& times, std::int64_t i,
                                 std::int64_t order) {
  const Tensor step = times[i + 1] - times[i];
  const Tensor t =
      at::linspace(times[i].item(), times[i + 1].item(), kQuadraturePoints, at::kFloat);
  const Tensor integrand = time.integrand(t);
  std::vector<double> weights;
  for (std::int64_t j = 0; j < order; ++j) {
    Tensor basis = at::ones({}, at::kFloat);
    for (std::int64_t k = 0; k < order; ++k) {
      if (k != j) basis = basis * ((t - times[i - k]) / (times[i - j] - times[i - k]));
    }
    weights.push_back(((integrand * basis).sum() * (step / kQuadraturePoints)).item<double>());
  }
  return weights;
}

}  // namespace

Tensor deis(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
            const SamplerContext& context, const MaxOrder& options) {
  const VpTime time;
  const Tensor times =
      time.of(at::tensor(at::ArrayRef<double>{sigmas.data(), sigmas.size()}, at::kFloat));
  const Tensor first = x;      // which ComfyUI reports at every step
  std::vector<Tensor> slopes;  // newest first
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const Tensor denoised = denoise(x, sigmas[i]);
    slopes.insert(slopes.begin(), direction(x, sigmas[i], denoised));
    if (slopes.size() > static_cast<std::size_t>(std::clamp(options.order, 1, 4)))
      slopes.pop_back();
    context.report(i, sigmas[i], first, denoised);
    if (slopes.size() == 1 || sigmas[i + 1] <= 0.0) {
      x = x + slopes[0] * (sigmas[i + 1] - sigmas[i]);
      continue;
    }
    const auto weights = step_weights(time, times, static_cast<std::int64_t>(i),
                                      static_cast<std::int64_t>(slopes.size()));
    for (std::size_t k = 0; k < slopes.size(); ++k) x = x + slopes[k] * weights[k];
  }
  return x;
}

}  // namespace comfy::sampling
