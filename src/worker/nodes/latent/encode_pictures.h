// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "worker/engine/context.h"
#include "worker/nodes/ports.h"

namespace comfy::nodes {

/// Pixels of a picture for one of its latent, as conditioning nodes count whatever the autoencoder.
inline constexpr std::int64_t kPixelsOfLatent = 8;

/// The middle of each picture or mask, cut to whole multiples of `scale`. pixels: [B, H, W, ...].
Tensor cut_to_scale(const Tensor& pixels, std::int64_t scale);

/// pixels: [B, H, W, C], 0..1, cut to the autoencoder's scale. Returns latents [B, 4, H/8, W/8].
Tensor encode_pictures(const Tensor& pixels, const Vae& vae, engine::Context& context);

}  // namespace comfy::nodes
