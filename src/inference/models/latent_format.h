// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

#include <array>
#include <optional>
#include <span>
#include <string_view>

namespace comfy::models {

/// How a family's latents are scaled between autoencoder and network, and shown as a quick preview.
/// One row of data a format.
struct LatentFormat {
  using Rgb = std::array<float, 3>;

  std::string_view name;  ///< ComfyUI's
  int channels = 4;
  int dimensions = 2;  ///< 1: sound, 3: video
  double scale = 1.0;
  double shift = 0.0;
  std::span<const double> mean = {};  ///< per channel; empty = no such normalization
  std::span<const double> std = {};
  std::span<const Rgb> rgb = {};  ///< colour of each channel in previews; empty = none known
  std::optional<Rgb> rgb_bias = {};
  std::string_view tiny_decoder = {};  ///< its file in models/vae_approx, without extension

  /// From the autoencoder's scaling to the network's: (x - shift) scale, or (x - mean) scale / std.
  Tensor process_in(const Tensor& latent) const;
  /// Back.
  Tensor process_out(const Tensor& latent) const;
  /// A small picture of the batch's first latent (a video's first frame): uint8 [H, W, 3]. Empty
  /// when no colours are known. latent: in the network's scaling, any device.
  Tensor preview(const Tensor& latent) const;
};

namespace latents {
extern const LatentFormat kPlain, kSd15, kSdxl, kPlayground25, kSdX4, kCascadePrior, kCascadeB,
    kSd3, kFlux, kStableAudio, kMochi, kLtxv, kHunyuanVideo, kWan21;
}

/// Every format above.
std::span<const LatentFormat* const> latent_formats();
/// By ComfyUI's name; nothing when there is none.
const LatentFormat* find_latent_format(std::string_view name);

}  // namespace comfy::models
