// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/beta_distribution.h"

#include <cmath>
#include <limits>

namespace comfy::sampling {

namespace {

/// The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method.
double continued_fraction(double x, double a, double b) {
  constexpr double kTiny = std::numeric_limits<double>::min() * 1e16;
  const auto away_from_zero = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double c = 1.0;
  double d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
  double fraction = d;
  for (int m = 1; m < 1000; ++m) {
    const double even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
    d = 1.0 / away_from_zero(1.0 + even * d);
    c = away_from_zero(1.0 + even / c);
    fraction *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
    d = 1.0 / away_from_zero(1.0 + odd * d);
    c = away_from_zero(1.0 + odd / c);
    fraction *= d * c;
    if (std::abs(d * c - 1.0) < 1e-16) break;
  }
  return fraction;
}

}  // namespace

double beta_probability(double x, double a, double b) {
  if (x <= 0.0) return 0.0;
  if (x >= 1.0) return 1.0;
  const double log_front =
      a * std::log(x) + b * std::log1p(-x) + std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b);
  // The fraction converges fast on the side of the mean only; the other side follows by symmetry.
  if (x < (a + 1.0) / (a + b + 2.0)) return std::exp(log_front) * continued_fraction(x, a, b) / a;
  return 1.0 - std::exp(log_front) * continued_fraction(1.0 - x, b, a) / b;
}

double beta_quantile(double probability, double a, double b) {
  if (probability <= 0.0) return 0.0;
  if (probability >= 1.0) return 1.0;
  double low = 0.0;
  double high = 1.0;
  for (int i = 0; i < 200 && high - low > 0.0; ++i) {
    const double middle = 0.5 * (low + high);
    if (middle == low || middle == high) break;
    (beta_probability(middle, a, b) < probability ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace comfy::sampling
