// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

namespace comfy::nodes {

/// A bell over [-1, 1] in both directions, its sum 1: [2 * radius + 1, 2 * radius + 1].
Tensor bell(std::int64_t radius, double sigma);

}  // namespace comfy::nodes
