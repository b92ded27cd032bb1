// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/nn/attention.h"

#include "inference/tensor/ops.h"

namespace comfy::nn {
namespace {

/// [B, L, heads * D] -> [B, heads, L, D] without a copy. Keys and values of another batch count are
/// dealt out over the queries' batches, as ComfyUI's reshape does (HyperTile relies on it).
Tensor split_heads(const Tensor& x, std::int64_t batch, std::int64_t heads) {
  return x.reshape({batch, -1, heads, x.size(-1) / heads}).transpose(1, 2);
}

Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, std::int64_t heads,
              const std::optional<Tensor>& mask, bool causal) {
  const std::int64_t batch = q.size(0);
  const Tensor out =
      at::scaled_dot_product_attention(split_heads(q, batch, heads), split_heads(k, batch, heads),
                                       split_heads(v, batch, heads), mask,
                                       /*dropout_p=*/0.0, causal);
  return out.transpose(1, 2).flatten(2);
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, std::int64_t heads,
                 const Tensor& mask) {
  return attend(q, k, v, heads, mask.defined() ? std::optional(mask) : std::nullopt, false);
}

Tensor causal_attention(const Tensor& q, const Tensor& k, const Tensor& v, std::int64_t heads) {
  return attend(q, k, v, heads, std::nullopt, true);
}

}  // namespace comfy::nn
