// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

namespace comfy::models {

/// Between pictures and latents. Scaling for the diffusion network is the latent format's business.
class Autoencoder {
 public:
  virtual ~Autoencoder() = default;
  /// latent: [B, C, H, W] -> pixels [B, 3, H*f, W*f], about -1..1, not clamped.
  virtual Tensor decode(const Tensor& latent) const = 0;
  /// pixels: [B, 3, H, W] in -1..1 -> the mean of the latent distribution [B, C, H/f, W/f].
  virtual Tensor encode(const Tensor& pixels) const = 0;
  virtual std::int64_t latent_channels() const = 0;
  virtual std::int64_t downscale() const = 0;  ///< f, 8 for the Stable Diffusion autoencoders
};

}  // namespace comfy::models
