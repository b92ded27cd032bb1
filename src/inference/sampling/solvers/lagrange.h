// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <span>
#include <vector>

namespace comfy::sampling {

/// The value at `t` of the Lagrange polynomial that is 1 at nodes[j] and 0 at the others.
double lagrange_basis(std::span<const double> nodes, std::size_t j, double t);

/// The integral of each node's Lagrange polynomial from `from` to `to`; exact for up to ten nodes.
std::vector<double> lagrange_integrals(std::span<const double> nodes, double from, double to);

}  // namespace comfy::sampling
