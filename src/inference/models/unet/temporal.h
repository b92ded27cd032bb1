// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/models/unet/transformer.h"

#include <vector>

namespace comfy::models::unet {

/// Blends a picture-wise result with one that mixed frames, by a learned weight; frames that are
/// pictures of their own keep the picture-wise result.
class FrameBlend {
 public:
  explicit FrameBlend(const Weights& w);
  /// spatial, temporal: [B * T, ...] frame by frame; still_frames: [B, T] or empty.
  Tensor operator()(const Tensor& spatial, const Tensor& temporal,
                    const Tensor& still_frames) const;

 private:
  Tensor mix_;  ///< sigmoid of the learned number
};

/// The part of a video network's residual block that convolves along time.
/// Source: Blattmann et al. 2023 (arXiv:2311.15127), appendix D.
class TemporalResBlock {
 public:
  /// w: the scope of the residual block, with "time_stack" and "time_mixer".
  explicit TemporalResBlock(const Weights& w);
  /// x: [B * T, C, H, W], of the picture-wise block.
  Tensor operator()(const Tensor& x, const BlockCall& call) const;

 private:
  nn::GroupNorm in_norm_;
  nn::Conv3d in_conv_;
  nn::Linear embedding_;
  nn::GroupNorm out_norm_;
  nn::Conv3d out_conv_;
  FrameBlend blend_;
};

/// The part of a video network's spatial transformer that attends along time at each pixel.
class TemporalTransformer {
 public:
  TemporalTransformer(const Weights& w, const Config& config);

  /// What all blocks of one call share.
  struct Call {
    std::int64_t frames = 1;
    Tensor context;    ///< [videos * pixels, L, D]
    Tensor positions;  ///< [B, 1, C] embedding of each frame's number
    Tensor still_frames;
  };
  Call prepare(const BlockCall& call, std::int64_t pixels) const;
  /// tokens: [B, pixels, C] after transformer block `index`.
  Tensor mix(const Tensor& tokens, std::size_t index, const Call& call) const;

 private:
  nn::Linear position_in_, position_out_;
  std::vector<TransformerBlock> blocks_;
  FrameBlend blend_;
};

}  // namespace comfy::models::unet
