// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

namespace comfy::nn {

/// x * sigmoid(x).
Tensor silu(const Tensor& x);
/// x * sigmoid(1.702 x), CLIP-L's approximation of GELU.
Tensor quick_gelu(const Tensor& x);
/// x * Phi(x) with the exact error function.
Tensor gelu(const Tensor& x);
/// The gated form: halves of the last dimension, first * gelu(second). x: [..., 2 D] -> [..., D].
/// Source: Shazeer 2020 (arXiv:2002.05202).
Tensor geglu(const Tensor& x);

}  // namespace comfy::nn
