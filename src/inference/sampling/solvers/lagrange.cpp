// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/lagrange.h"

#include <array>
#include <utility>

namespace comfy::sampling {

double lagrange_basis(std::span<const double> nodes, std::size_t j, double t) {
  double value = 1.0;
  for (std::size_t k = 0; k < nodes.size(); ++k) {
    if (k != j) value *= (t - nodes[k]) / (nodes[j] - nodes[k]);
  }
  return value;
}

std::vector<double> lagrange_integrals(std::span<const double> nodes, double from, double to) {
  // Gauss-Legendre quadrature of five points: place and weight.
  static constexpr std::array<std::pair<double, double>, 5> kPoints{
      {{0.0, 0.5688888888888889},
       {0.5384693101056831, 0.47862867049936647},
       {-0.5384693101056831, 0.47862867049936647},
       {0.9061798459386640, 0.23692688505618908},
       {-0.9061798459386640, 0.23692688505618908}}};
  std::vector<double> integrals(nodes.size());
  for (std::size_t j = 0; j < nodes.size(); ++j) {
    for (const auto& [place, weight] : kPoints) {
      const double t = 0.5 * (from + to) + 0.5 * (to - from) * place;
      integrals[j] += 0.5 * (to - from) * weight * lagrange_basis(nodes, j, t);
    }
  }
  return integrals;
}

}  // namespace comfy::sampling
