// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/sampling/solvers/solvers.h"

#include <span>

namespace comfy::sampling {

/// Adds the extra noise of step i to x where the options ask for it. Returns the sigma that x has
/// now.
double churned(Tensor& x, std::span<const double> sigmas, std::size_t i, const Churn& options,
               const SamplerContext& context);

}  // namespace comfy::sampling
