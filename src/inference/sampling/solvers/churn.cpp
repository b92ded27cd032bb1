// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/churn.h"

#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace comfy::sampling {

double churned(Tensor& x, std::span<const double> sigmas, std::size_t i, const Churn& options,
               const SamplerContext& context) {
  const double sigma = sigmas[i];
  if (options.s_churn <= 0 || sigma < options.s_tmin || sigma > options.s_tmax) return sigma;
  const double steps = static_cast<double>(sigmas.size() - 1);
  const double gamma = std::min(options.s_churn / steps, std::numbers::sqrt2 - 1);
  const double raised = sigma * (gamma + 1);
  x = x + noise_like(x, context) * options.s_noise * std::sqrt(raised * raised - sigma * sigma);
  return raised;
}

}  // namespace comfy::sampling
