// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/model.h"

#include "foundation/base/error.h"
#include "inference/models/vae/autoencoders.h"

#include <fmt/format.h>

namespace comfy::models {

struct Model::State {
  const Architecture* architecture;
  Weights weights;
  const LatentFormat* latent_format;
  sampling::SamplingSettings sampling;
  std::shared_ptr<const BlockHooks> hooks;
  std::shared_ptr<const conditioning::GuidanceOptions> guidance;
  std::string guidance_key;
};

namespace {

std::string settings_key(const sampling::SamplingSettings& s) {
  return fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{}", static_cast<int>(s.prediction),
                     static_cast<int>(s.space), static_cast<int>(s.beta_schedule), s.linear_start,
                     s.linear_end, s.timesteps, s.zsnr, s.shift, s.multiplier, s.sigma_min,
                     s.sigma_max, s.sigma_data, s.cosine_s);
}

}  // namespace

Model::Model(const Architecture& architecture, Weights network, const Weights& file) {
  const auto settings = architecture.sampling(network, file);
  const auto* latent =
      architecture.latent_of != nullptr ? architecture.latent_of(file) : architecture.latent;
  state_ = std::make_shared<const State>(
      State{&architecture, std::move(network), latent, settings, {}, {}, {}});
}

const Architecture& Model::architecture() const { return *state_->architecture; }
const Weights& Model::weights() const { return state_->weights; }
const LatentFormat& Model::latent_format() const { return *state_->latent_format; }
const sampling::SamplingSettings& Model::sampling() const { return state_->sampling; }
const BlockHooks* Model::hooks() const { return state_->hooks.get(); }
const std::shared_ptr<const conditioning::GuidanceOptions>& Model::guidance() const {
  return state_->guidance;
}

Model Model::changed(const std::function<void(State&)>& change) const {
  auto copy = std::make_shared<State>(*state_);
  change(*copy);
  Model result;
  result.state_ = std::move(copy);
  return result;
}

Model Model::with_patches(std::shared_ptr<const checkpoint::PatchSet> patches) const {
  return changed([&](State& s) { s.weights = s.weights.with(std::move(patches)); });
}

Model Model::with_precision(checkpoint::Precision precision) const {
  return changed([&](State& s) { s.weights = s.weights.with(precision); });
}

Model Model::with_sampling(const sampling::SamplingSettings& settings) const {
  return changed([&](State& s) { s.sampling = settings; });
}

Model Model::with_latent_format(const LatentFormat& format) const {
  return changed([&](State& s) { s.latent_format = &format; });
}

Model Model::with_hooks(const BlockHooks& hooks) const {
  return changed([&](State& s) {
    s.hooks = std::make_shared<const BlockHooks>(s.hooks ? s.hooks->joined(hooks) : hooks);
  });
}

Model Model::with_guidance(std::shared_ptr<const conditioning::GuidanceOptions> guidance,
                           std::string key) const {
  return changed([&](State& s) {
    s.guidance = std::move(guidance);
    s.guidance_key = std::move(key);
  });
}

std::unique_ptr<DiffusionModel> Model::build() const {
  return state_->architecture->build(state_->weights);
}

std::string Model::weights_key() const {
  return fmt::format("{}|{}", state_->architecture->name, state_->weights.key());
}

std::string Model::key() const {
  return fmt::format("{}|{}|{}|{}|{}", weights_key(), state_->latent_format->name,
                     settings_key(state_->sampling), state_->hooks ? state_->hooks->key : "",
                     state_->guidance_key);
}

Vae::Vae(Weights w) {
  const auto description = vae::detect(w);
  if (!description) {
    throw Error(Error::Kind::invalid_input,
                fmt::format("an autoencoder (VAE) expected under \"{}\", found none", w.scope()));
  }
  weights_ = std::make_shared<const Weights>(std::move(w));
  latent_channels_ = description->latent_channels;
  downscale_ = description->downscale;
}

Vae Vae::with_precision(checkpoint::Precision precision) const {
  Vae copy = *this;
  copy.weights_ = std::make_shared<const Weights>(weights_->with(precision));
  return copy;
}

std::unique_ptr<Autoencoder> Vae::build() const { return vae::build(*weights_); }

std::string Vae::key() const { return "vae|" + weights_->key(); }

Clip::Clip(TextFamily family, Weights text)
    : family_{family}, weights_{std::make_shared<const Weights>(std::move(text))} {}

Clip Clip::with_patches(std::shared_ptr<const checkpoint::PatchSet> patches) const {
  Clip copy = *this;
  copy.weights_ = std::make_shared<const Weights>(weights_->with(std::move(patches)));
  return copy;
}

Clip Clip::with_layer(std::optional<int> stop_at_layer) const {
  Clip copy = *this;
  copy.stop_at_layer_ = stop_at_layer;
  return copy;
}

std::string Clip::weights_key() const {
  return fmt::format("clip|{}|{}", static_cast<int>(family_), weights_->key());
}

std::string Clip::key() const {
  return fmt::format("{}|{}", weights_key(), stop_at_layer_ ? std::to_string(*stop_at_layer_) : "");
}

}  // namespace comfy::models
