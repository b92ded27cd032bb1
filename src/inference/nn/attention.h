// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

namespace comfy::nn {

/// Scaled dot-product attention of several heads, never with a whole score matrix in memory.
///
/// q: [B, L, heads * D], k and v: [B, S, heads * D]; the heads are read in place as strided views.
/// mask: nothing, or a bool (true = may look) or additive float tensor that broadcasts to
/// [B, heads, L, S]. Returns [B, L, heads * D]. The scale is 1 / sqrt(D).
/// Source: Vaswani et al. 2017 (arXiv:1706.03762), eq. 1.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, std::int64_t heads,
                 const Tensor& mask = {});

/// The same where position i sees positions 0..i only.
Tensor causal_attention(const Tensor& q, const Tensor& k, const Tensor& v, std::int64_t heads);

}  // namespace comfy::nn
