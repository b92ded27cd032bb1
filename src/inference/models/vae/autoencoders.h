// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/source.h"
#include "inference/checkpoint/weights.h"
#include "inference/models/autoencoder.h"

#include <memory>
#include <optional>

namespace comfy::models::vae {

using checkpoint::Weights;

/// pixel_space: no network, the pixels are the latent. A source says so with the tensor
/// "pixel_space_vae", as ComfyUI does.
enum class Kind { kl, taesd, pixel_space };

/// What an autoencoder's tensors tell without reading their numbers.
struct Description {
  Kind kind = Kind::kl;
  std::int64_t latent_channels = 4;
  std::int64_t downscale = 8;
};

/// Nothing when the scope holds no autoencoder that this program knows.
std::optional<Description> detect(const Weights& w);
/// Throws Error(invalid_input) when detect() finds nothing.
std::unique_ptr<Autoencoder> build(const Weights& w);

/// The same file under native names where it has diffusers' ("decoder.up_blocks.0...").
checkpoint::SourcePtr native_names(checkpoint::SourcePtr file);

}  // namespace comfy::models::vae
