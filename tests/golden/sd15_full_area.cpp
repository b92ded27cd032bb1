// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/network_areas.h"
#include "inference/models/checkpoint_file.h"
#include "inference/models/text/clip.h"
#include "inference/sampling/model_sampling.h"
#include "inference/tensor/ops.h"

#include <cstdlib>

namespace comfy::golden {
namespace {

constexpr double kTolerance = 1e-4;  // of the recordings' README, for network and text

/// Opened once for all cases; its parts are built when a case needs them.
const models::Checkpoint& checkpoint_at(const std::filesystem::path& file) {
  static const models::Checkpoint parts = models::open_checkpoint(file);
  return parts;
}

Outcome run_network(const Case& recorded, const models::Checkpoint& parts) {
  Outcome outcome;
  const sampling::ModelSampling sampling(parts.model.sampling());
  const Tensor sigma = recorded["input.sigma"];
  const Tensor x = recorded["input.x"];
  const Tensor input = sampling.calculate_input(sigma, x);
  const Tensor timestep = sampling.timestep(sigma).to(DType::Float);
  outcome.add("x_in", compare(recorded["expected.x_in"], input, kTolerance));
  outcome.add("timestep", compare(recorded["expected.timestep"], timestep, kTolerance));
  const Tensor eps = (*parts.model.build())(
      {.x = input, .timestep = timestep, .context = recorded["input.context"]});
  outcome.add("eps", compare(recorded["expected.eps"], eps, kTolerance));
  outcome.add("denoised", compare(recorded["expected.denoised"],
                                  sampling.calculate_denoised(sigma, eps, x), kTolerance));
  return outcome;
}

Outcome run_autoencoder(const Case& recorded, const models::Checkpoint& parts) {
  Outcome outcome;
  const auto autoencoder = parts.vae.build();
  const Tensor pixels = autoencoder->decode(recorded["input.latent"]);
  const Tensor image = ((pixels + 1.0) / 2.0).clamp(0.0, 1.0).permute({0, 2, 3, 1});
  outcome.add("image", compare(recorded["expected.image"], image, kTolerance));
  const Tensor latent =
      autoencoder->encode(recorded["input.pixels"].permute({0, 3, 1, 2}) * 2.0 - 1.0);
  outcome.add("latent", compare(recorded["expected.latent"], latent, kTolerance));
  return outcome;
}

/// Of the encoding, means and deviations of all tokens and the beginnings of some are recorded.
Outcome run_text(const Case& recorded, const models::Checkpoint& parts) {
  Outcome outcome;
  const auto encoder =
      models::text::build_clip(models::clip_model(parts.clip.family()), parts.clip.weights());
  const auto encoding =
      encoder->encode(encoder->tokenize(recorded.info().at("text").as_string()), {});
  const Tensor cond = encoding.cond.to(DType::Double);
  // The means are next to 0 after a normalization: judged on the scale of the deviations.
  outcome.add("mean", compare(recorded["expected.mean"] + recorded["expected.std"],
                              cond.mean(-1) + cond.std(-1), kTolerance));
  outcome.add("std", compare(recorded["expected.std"], cond.std(-1), kTolerance));
  const Tensor rows = recorded["expected.rows"];
  Shape tokens{0, 1, 2, 7, 38, 76, 77, 78, 153};
  tokens.resize(static_cast<std::size_t>(rows.size(0)));
  const Tensor chosen =
      cond[0].index_select(0, at::tensor(at::IntArrayRef(tokens))).narrow(1, 0, rows.size(1));
  if (rows.size(0) == 6) outcome.add("rows", compare(rows, chosen, kTolerance));
  return outcome;
}

}  // namespace

std::optional<std::filesystem::path> full_size_checkpoint() {
  const char* home = std::getenv("HOME");
  const std::filesystem::path file = std::filesystem::path(home != nullptr ? home : ".") /
                                     ".cache/comfyui-distributed/models/sd15_random.safetensors";
  if (!std::filesystem::exists(file)) return {};
  return file;
}

std::optional<Outcome> run_sd15_full(const std::filesystem::path& file) {
  const auto checkpoint = full_size_checkpoint();
  if (!checkpoint) return Outcome::not_yet("the full-size checkpoint has not been made");
  const std::string name = file.stem().string();
  if (name.starts_with("ksampler")) return {};
  const Case recorded = Case::load(file);
  const models::Checkpoint& parts = checkpoint_at(*checkpoint);
  if (name.starts_with("unet")) return run_network(recorded, parts);
  if (name.starts_with("vae")) return run_autoencoder(recorded, parts);
  return run_text(recorded, parts);
}

}  // namespace comfy::golden
