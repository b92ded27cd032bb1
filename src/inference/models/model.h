// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/weights.h"
#include "inference/models/architecture.h"
#include "inference/models/autoencoder.h"
#include "inference/models/diffusion_model.h"
#include "inference/models/hooks.h"
#include "inference/models/text_encoder.h"
#include "inference/sampling/model_sampling.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace comfy::conditioning {
struct GuidanceOptions;  // guidance.h: functions around guidance and the network's calls
}

namespace comfy::models {

/// What a MODEL socket carries: weights by reference, and what was changed about them. A cheap
/// value; `with_...` returns a changed copy that shares the rest.
class Model {
 public:
  /// Nothing on the socket: every accessor but empty() is then out of bounds.
  Model() = default;
  /// network: the scope of the diffusion network; file: the whole checkpoint it lies in.
  Model(const Architecture& architecture, Weights network, const Weights& file);

  bool empty() const { return !state_; }
  const Architecture& architecture() const;
  /// The network's tensors, patched, in the precision to compute in.
  const Weights& weights() const;
  const LatentFormat& latent_format() const;
  const sampling::SamplingSettings& sampling() const;
  /// Null when there are none.
  const BlockHooks* hooks() const;
  /// What nodes hung around guidance and the network's calls; null when nothing. Only carried here.
  const std::shared_ptr<const conditioning::GuidanceOptions>& guidance() const;

  /// The patches replace those there were: build on weights().patches().
  Model with_patches(std::shared_ptr<const checkpoint::PatchSet> patches) const;
  Model with_precision(checkpoint::Precision precision) const;
  Model with_sampling(const sampling::SamplingSettings& settings) const;
  Model with_latent_format(const LatentFormat& format) const;
  /// Added after those there are.
  Model with_hooks(const BlockHooks& hooks) const;
  /// In place of what there was (build on guidance()). key: names the content, as for BlockHooks.
  Model with_guidance(std::shared_ptr<const conditioning::GuidanceOptions> guidance,
                      std::string key) const;

  /// The network itself, built anew: the caller keeps it (residency keys it by weights_key()).
  std::unique_ptr<DiffusionModel> build() const;
  /// Equal for two models whose built networks are interchangeable.
  std::string weights_key() const;
  /// Equal for two models that do the same in every respect.
  std::string key() const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
  Model changed(const std::function<void(State&)>& change) const;
};

/// What a VAE socket carries.
class Vae {
 public:
  Vae() = default;
  /// w: the scope that holds "decoder.conv_in.weight" or another autoencoder's tensors.
  /// Throws Error(invalid_input) when it is none that this program knows.
  explicit Vae(Weights w);

  bool empty() const { return !weights_; }
  const Weights& weights() const { return *weights_; }
  Vae with_precision(checkpoint::Precision precision) const;

  std::unique_ptr<Autoencoder> build() const;
  std::string key() const;
  std::int64_t latent_channels() const { return latent_channels_; }
  std::int64_t downscale() const { return downscale_; }

 private:
  std::shared_ptr<const Weights> weights_;
  std::int64_t latent_channels_ = 4;
  std::int64_t downscale_ = 8;
};

/// What a CLIP socket carries: text encoders by reference, patches, and which layer is read.
class Clip {
 public:
  Clip() = default;
  /// text: the top of a text::clip_source of that family's encoders.
  Clip(TextFamily family, Weights text);

  bool empty() const { return !weights_; }
  TextFamily family() const { return family_; }
  const Weights& weights() const { return *weights_; }
  /// -1 the last layer, -2 the one before ...; nothing = the family's own choice.
  std::optional<int> stop_at_layer() const { return stop_at_layer_; }

  Clip with_patches(std::shared_ptr<const checkpoint::PatchSet> patches) const;
  Clip with_layer(std::optional<int> stop_at_layer) const;

  /// Equal for two whose built encoders are interchangeable (the layer is an argument of encode).
  std::string weights_key() const;
  std::string key() const;

 private:
  TextFamily family_ = TextFamily::none;
  std::shared_ptr<const Weights> weights_;
  std::optional<int> stop_at_layer_;
};

}  // namespace comfy::models
