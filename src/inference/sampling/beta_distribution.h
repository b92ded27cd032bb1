// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace comfy::sampling {

/// The part of a Beta(a, b) distribution below x: the regularized incomplete beta function.
/// x in [0, 1]; a, b > 0.
double beta_probability(double x, double a, double b);

/// The x below which that part of the distribution lies. Good to about 1e-14.
double beta_quantile(double probability, double a, double b);

}  // namespace comfy::sampling
