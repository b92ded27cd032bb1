// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

namespace comfy::nn {

/// Sinusoidal embedding of a number, cosines first: half = dim / 2 frequencies
/// exp(-ln(max_period) i / half), i = 0..half-1.
///
/// values: [B] -> [B, dim] float32; an odd dim ends in a zero column.
/// Source: Vaswani et al. 2017 (arXiv:1706.03762), 3.5, with the halves kept apart.
Tensor sinusoidal_embedding(const Tensor& values, std::int64_t dim, double max_period = 10000);

}  // namespace comfy::nn
