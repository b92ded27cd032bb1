// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/models/autoencoder.h"
#include "inference/nn/conv.h"
#include "inference/nn/linear.h"
#include "inference/nn/norm.h"

#include <optional>
#include <vector>

namespace comfy::models::vae {

using checkpoint::Weights;

/// Residual block of the autoencoder: x + conv(silu(norm(conv(silu(norm(x)))))).
class ResBlock {
 public:
  explicit ResBlock(const Weights& w);
  /// x: [B, C, H, W] -> [B, C', H, W].
  Tensor operator()(const Tensor& x) const;

 private:
  nn::GroupNorm norm1_;
  nn::Conv2d conv1_;
  nn::GroupNorm norm2_;
  nn::Conv2d conv2_;
  std::optional<nn::Conv2d> shortcut_;
};

/// Attention of one head between all pixels, with a residual.
class PixelAttention {
 public:
  explicit PixelAttention(const Weights& w);
  /// x: [B, C, H, W] -> the same shape.
  Tensor operator()(const Tensor& x) const;

 private:
  nn::GroupNorm norm_;
  nn::Linear q_, k_, v_, out_;
};

/// Both halves end (or begin) with residual block, attention, residual block.
class Middle {
 public:
  explicit Middle(const Weights& w);
  Tensor operator()(const Tensor& x) const;

 private:
  ResBlock block1_;
  std::optional<PixelAttention> attention_;
  ResBlock block2_;
};

/// One resolution of encoder or decoder.
struct Level {
  std::vector<ResBlock> blocks;
  std::vector<std::optional<PixelAttention>> attentions;
  std::optional<nn::Conv2d> resize;  ///< follows the blocks
};

/// Latents to pixels.
class Decoder {
 public:
  explicit Decoder(const Weights& w);
  Tensor operator()(const Tensor& latent) const;
  std::int64_t latent_channels() const { return conv_in_.inputs(); }
  std::int64_t upscale() const;

 private:
  nn::Conv2d conv_in_;
  Middle middle_;
  std::vector<Level> levels_;  ///< in the order of use: lowest resolution first
  nn::GroupNorm norm_out_;
  nn::Conv2d conv_out_;
};

/// Pixels to mean and log-variance of the latent.
class Encoder {
 public:
  explicit Encoder(const Weights& w);
  Tensor operator()(const Tensor& pixels) const;

 private:
  nn::Conv2d conv_in_;
  std::vector<Level> levels_;
  Middle middle_;
  nn::GroupNorm norm_out_;
  nn::Conv2d conv_out_;
};

/// The KL-regularized autoencoder of Stable Diffusion 1 to 3 and Flux. A file may hold one half
/// only; using the other then throws Error(unsupported). Source: Rombach et al. 2022
/// (arXiv:2112.10752), appendix G.
class AutoencoderKl final : public Autoencoder {
 public:
  /// w: the scope with "decoder.", "encoder." and, in the older ones, "quant_conv.".
  explicit AutoencoderKl(const Weights& w);

  Tensor decode(const Tensor& latent) const override;
  Tensor encode(const Tensor& pixels) const override;
  /// [B, 2 C, H/f, W/f]: mean, then log-variance.
  Tensor moments(const Tensor& pixels) const;
  std::int64_t latent_channels() const override { return latent_channels_; }
  std::int64_t downscale() const override { return downscale_; }

 private:
  std::optional<Decoder> decoder_;
  std::optional<Encoder> encoder_;
  std::optional<nn::Conv2d> quant_, post_quant_;
  std::int64_t latent_channels_ = 4;
  std::int64_t downscale_ = 8;
};

}  // namespace comfy::models::vae
