// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/weights.h"

#include <optional>
#include <vector>

namespace comfy::models::unet {

using checkpoint::Weights;

/// Which level's attentions there are, told apart by structure and never by width.
enum class Layout {
  sd1,     ///< convolutional projections, no label embedding
  sd2,     ///< linear projections, no label embedding
  unclip,  ///< linear projections, label embedding, attention on the first level
  sdxl,  ///< linear projections, label embedding, attention on the deepest level but not the first
  refiner,  ///< linear projections, label embedding, attention on neither of them
  video,    ///< blocks that mix frames
  upscaler  ///< a table of noise levels in place of the label embedding
};

/// What the names and shapes of an LDM UNet's tensors tell, and the two numbers they do not.
struct Config {
  Layout layout = Layout::sd1;
  std::int64_t model_channels = 320;
  std::int64_t in_channels = 4;
  std::int64_t out_channels = 4;
  std::int64_t context_dim = 0;      ///< width of the text encoding; 0 = no attention at all
  std::int64_t vector_channels = 0;  ///< width of y; 0 = none
  std::vector<std::int64_t> res_blocks = {};         ///< per level
  std::vector<std::int64_t> channel_mult = {};       ///< per level
  std::vector<std::int64_t> transformer_depth = {};  ///< per residual block of the input side
  std::vector<std::int64_t> transformer_depth_output = {};
  std::int64_t transformer_depth_middle = -2;  ///< -1: residual block only, -2: no middle block
  std::int64_t heads = 0;                      ///< the same everywhere; 0 = by width
  std::int64_t head_channels = 64;             ///< channels a head where `heads` is 0

  /// Heads of an attention of that width.
  std::int64_t heads_for(std::int64_t width) const {
    return heads > 0 ? heads : std::max<std::int64_t>(1, width / head_channels);
  }
};

/// Reads the configuration off the tensors under `network` ("input_blocks.0.0.weight" ...); nothing
/// when these are not an LDM UNet. The heads are 8 in the SD1 and upscaler layouts and 64 channels
/// each in the others, unless the file's metadata `comfy.config` says otherwise (JSON: unet_heads
/// or unet_head_channels).
std::optional<Config> detect(const Weights& network);

}  // namespace comfy::models::unet
