// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/models/autoencoder.h"
#include "inference/nn/conv.h"

#include <optional>
#include <variant>
#include <vector>

namespace comfy::models::vae {

using checkpoint::Weights;

/// One half of a tiny autoencoder: numbered layers in a row.
class TinyStack {
 public:
  enum class Half { encoder, decoder };
  TinyStack(const Weights& w, Half half);
  Tensor operator()(Tensor x) const;

 private:
  /// relu(conv(relu(conv(relu(conv(x))))) + x).
  struct Residual {
    explicit Residual(const Weights& w);
    nn::Conv2d conv1, conv2, conv3;
    std::optional<nn::Conv2d> skip;
  };
  struct Relu {};
  struct Upsample {};
  using Layer = std::variant<nn::Conv2d, Residual, Relu, Upsample>;
  std::vector<Layer> layers_;
};

/// The distilled autoencoder of a few million parameters that gives quick previews. Works in the
/// network's scaling inside, so that `vae_scale` and `vae_shift` lie between it and a latent.
/// Source: the layer list of TAESD (madebyollin/taesd), by its tensors' names.
class TinyAutoencoder final : public Autoencoder {
 public:
  /// w: the scope with "taesd_decoder." and "taesd_encoder.".
  explicit TinyAutoencoder(const Weights& w);

  Tensor decode(const Tensor& latent) const override;
  Tensor encode(const Tensor& pixels) const override;
  std::int64_t latent_channels() const override { return latent_channels_; }
  std::int64_t downscale() const override { return 8; }

 private:
  std::optional<TinyStack> decoder_, encoder_;
  double scale_ = 1.0;
  double shift_ = 0.0;
  std::int64_t latent_channels_ = 4;
};

}  // namespace comfy::models::vae
