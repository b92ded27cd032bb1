// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/models/hooks.h"
#include "inference/tensor/random.h"

#include <cstdint>
#include <memory>

namespace comfy::models {

/// How much stronger the backbone of a UNet's decoder counts (b), and how much weaker the low
/// frequencies of its skip connections (s): 1 at the deepest level, 2 at the one above.
struct FreeU {
  double b1 = 1.0, b2 = 1.0, s1 = 1.0, s2 = 1.0;
};
enum class FreeUVersion { first, second };

/// Source: Si et al. 2023 (arXiv:2309.11497). The second version scales by where the map is strong.
BlockHooks freeu(const FreeU& scales, std::int64_t model_channels, FreeUVersion version);

/// What hooks draw from. Who samples puts the generator of the run's noise in, so that they go on
/// where it stands, as in ComfyUI.
using SharedGenerator = std::shared_ptr<tensor::Generator>;

/// Self-attention within tiles whose size is drawn anew at each block.
struct HyperTile {
  std::int64_t tile_size = 256;  ///< in pixels of the picture
  std::int64_t swap_size = 2;    ///< among how many divisions is drawn
  std::int64_t max_depth = 0;    ///< down to which level of the UNet
  bool scale_depth = false;      ///< tiles grow with the level
};

/// Source: tfernd/HyperTile.
BlockHooks hypertile(const HyperTile& options, const SharedGenerator& generator);

/// Self-attention over fewer tokens: that part of them which is most like others is merged.
/// Source: Bolya and Hoffman 2023 (arXiv:2303.17604).
BlockHooks token_merging(double ratio, const SharedGenerator& generator);

}  // namespace comfy::models
