// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/models/unet/blocks.h"

#include <optional>
#include <vector>

namespace comfy::models::unet {

/// Attention with its projections. Keys and values may come from another sequence than queries.
class Attention {
 public:
  Attention(const Weights& w, const Config& config);

  /// n: [B, L, C]; context, value: [B, S, D] -> [B, L, C].
  Tensor operator()(const AttentionInputs& inputs) const;
  /// With a replacement for the arithmetic between the projections.
  Tensor operator()(const AttentionInputs& inputs, const BlockHooks::Attention& replacement,
                    const BlockPlace& place) const;

  std::int64_t heads() const { return heads_; }
  std::int64_t head_dim() const { return to_q_.outputs() / heads_; }
  std::int64_t context_dim() const { return to_k_.inputs(); }

 private:
  nn::Linear to_q_, to_k_, to_v_, to_out_;
  std::int64_t heads_;
};

/// Gated feed-forward network: linear, GEGLU, linear.
class FeedForward {
 public:
  explicit FeedForward(const Weights& w) : in_{w / "net.0.proj"}, out_{w / "net.2"} {}
  Tensor operator()(const Tensor& x) const;

 private:
  nn::Linear in_, out_;
};

/// Self-attention, cross-attention and feed-forward network, each with a normalized residual.
class TransformerBlock {
 public:
  TransformerBlock(const Weights& w, const Config& config);

  /// x: [B, L, C], context: [B, S, D]. hooks may be null.
  Tensor operator()(Tensor x, const Tensor& context, const BlockHooks* hooks,
                    BlockPlace place) const;

 private:
  Tensor self_attention(const Tensor& n, const Tensor& context, const BlockHooks* hooks,
                        const BlockPlace& place) const;
  Tensor cross_attention(const Tensor& n, const Tensor& context, const BlockHooks* hooks,
                         const BlockPlace& place) const;

  std::optional<nn::LayerNorm> norm_in_;
  std::optional<FeedForward> feed_forward_in_;
  nn::LayerNorm norm1_;
  Attention attn1_;
  bool attn1_reads_context_;
  std::optional<nn::LayerNorm> norm2_;
  std::optional<Attention> attn2_;
  nn::LayerNorm norm3_;
  FeedForward feed_forward_;
};

class TemporalTransformer;

/// Transformer blocks over the pixels of a feature map, with projections around them and a
/// residual.
class SpatialTransformer {
 public:
  SpatialTransformer(const Weights& w, const Config& config);
  ~SpatialTransformer();

  /// x: [B, C, H, W] -> the same shape.
  Tensor operator()(const Tensor& x, const BlockCall& call) const;

 private:
  nn::GroupNorm norm_;
  nn::Linear proj_in_;
  std::vector<TransformerBlock> blocks_;
  nn::Linear proj_out_;
  std::unique_ptr<const TemporalTransformer> temporal_;
};

}  // namespace comfy::models::unet
