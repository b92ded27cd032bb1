// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/models/hooks.h"
#include "inference/models/unet/config.h"
#include "inference/nn/conv.h"
#include "inference/nn/linear.h"
#include "inference/nn/norm.h"

#include <memory>
#include <optional>
#include <variant>
#include <vector>

namespace comfy::models::unet {

class SpatialTransformer;
class TemporalResBlock;

/// What the layers of a block get besides the tensor they change. All tensors of one call share
/// one.
struct BlockCall {
  Tensor embedding = {};  ///< [B, E] time and label embedding, after its SiLU
  Tensor context = {};    ///< [B, L, D]
  const BlockHooks* hooks = nullptr;
  BlockPlace place = {};
  std::int64_t frames = 1;
  Tensor still_frames =
      {};  ///< [videos, frames]: 1 where a frame is a picture of its own; may be empty
  std::optional<std::pair<std::int64_t, std::int64_t>> upsampled_size = {};  ///< height, width
};

/// Residual block with a time embedding: x + conv(silu(norm(conv(silu(norm(x))) + embedding))).
class ResBlock {
 public:
  explicit ResBlock(const Weights& w);
  ResBlock(ResBlock&&) noexcept;
  ~ResBlock();

  /// x: [B, C, H, W] -> [B, C', H, W].
  Tensor operator()(const Tensor& x, const BlockCall& call) const;

 private:
  nn::GroupNorm in_norm_;
  nn::Conv2d in_conv_;
  nn::Linear embedding_;
  nn::GroupNorm out_norm_;
  nn::Conv2d out_conv_;
  std::optional<nn::Conv2d> skip_;
  std::unique_ptr<const TemporalResBlock> temporal_;
};

/// Halves the size with a strided convolution.
class Downsample {
 public:
  explicit Downsample(const Weights& w) : conv_{w / "op", {.stride = 2, .padding = 1}} {}
  Tensor operator()(const Tensor& x, const BlockCall&) const { return conv_(x); }

 private:
  nn::Conv2d conv_;
};

/// Repeats pixels to twice the size, or to that of the skip connection to come, then convolves.
class Upsample {
 public:
  explicit Upsample(const Weights& w) : conv_{w / "conv"} {}
  Tensor operator()(const Tensor& x, const BlockCall& call) const;

 private:
  nn::Conv2d conv_;
};

/// The first layer of a network.
class Stem {
 public:
  explicit Stem(const Weights& w) : conv_{w} {}
  Tensor operator()(const Tensor& x, const BlockCall&) const { return conv_(x); }

 private:
  nn::Conv2d conv_;
};

/// One numbered block: layers in a row, which their tensors' names tell apart.
class Block {
 public:
  /// w: the scope that holds "0.", "1." ...
  Block(const Weights& w, std::int64_t layers, const Config& config);
  Block(Block&&) noexcept;
  ~Block();

  /// Counts the spatial transformers it passes in `call.place`.
  Tensor operator()(Tensor x, BlockCall& call) const;

 private:
  using Layer =
      std::variant<Stem, ResBlock, Downsample, Upsample, std::unique_ptr<SpatialTransformer>>;
  std::vector<Layer> layers_;
};

}  // namespace comfy::models::unet
