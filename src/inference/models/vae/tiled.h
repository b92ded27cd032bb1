// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/models/autoencoder.h"

#include <functional>

namespace comfy::models::vae {

/// Sizes of tiles and of their overlap, in pixels of the picture.
struct Tiling {
  std::int64_t width = 512;
  std::int64_t height = 512;
  std::int64_t overlap = 64;
};

/// Called after each tile: tiles done, tiles in all. Ends the work by throwing.
using OnTile = std::function<void(std::int64_t done, std::int64_t all)>;

/// Decodes piece by piece and blends the pieces where they overlap, three times with different tile
/// shapes, as ComfyUI does. latent: [B, C, H, W] -> [B, 3, H*f, W*f], about -1..1, not clamped.
Tensor decode_tiled(const Autoencoder& vae, const Tensor& latent, const Tiling& tiling,
                    const OnTile& on_tile = {});

/// pixels: [B, 3, H, W] in -1..1 -> [B, C, H/f, W/f].
Tensor encode_tiled(const Autoencoder& vae, const Tensor& pixels, const Tiling& tiling,
                    const OnTile& on_tile = {});

}  // namespace comfy::models::vae
