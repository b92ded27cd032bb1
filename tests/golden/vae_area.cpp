// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/network_areas.h"
#include "inference/checkpoint/source.h"
#include "inference/models/latent_format.h"
#include "inference/models/vae/autoencoder_kl.h"
#include "inference/models/vae/autoencoders.h"
#include "inference/models/vae/tiled.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

namespace comfy::golden {
namespace {

using checkpoint::Weights;
namespace vae = models::vae;

constexpr double kTolerance = 1e-5;  // of the recordings' README, for the whole area

Weights weights_of(const Case& recorded) {
  std::string scope = recorded.weights_prefix();
  if (scope.ends_with('.')) scope.pop_back();
  return Weights(checkpoint::open_source(recorded.weights_file())) / scope;
}

/// [B, 3, H, W] in -1..1 -> [B, H, W, 3] in 0..1, as the VAEDecode node gives it.
Tensor to_image(const Tensor& pixels) {
  return ((pixels + 1.0) / 2.0).clamp(0.0, 1.0).permute({0, 2, 3, 1});
}

/// [B, H, W, C] in 0..1 -> [B, 3, H, W] in -1..1, cut to multiples of 8 around the centre.
Tensor from_image(const Tensor& image) {
  const auto cut = [](const Tensor& x, std::int64_t dim) {
    const std::int64_t rest = x.size(dim) % 8;
    return x.narrow(dim, rest / 2, x.size(dim) - rest);
  };
  return cut(cut(image.narrow(3, 0, 3), 1), 2).permute({0, 3, 1, 2}) * 2.0 - 1.0;
}

void add(Outcome& outcome, const Case& recorded, const std::string& key, const Tensor& actual) {
  if (recorded.has(key)) outcome.add(key, compare(recorded[key], actual, kTolerance));
}

void run_decode(Outcome& outcome, const Case& recorded, const models::Autoencoder& autoencoder) {
  const Json& info = recorded.info();
  const Tensor latent = recorded["input.latent"];
  Tensor pixels;
  if (info.find("tile_size") != nullptr) {
    const std::int64_t size = info.at("tile_size").as_int();
    // The node limits the overlap to a quarter of the tile.
    const std::int64_t overlap = std::min(info.at("overlap").as_int(), size / 4);
    pixels = vae::decode_tiled(autoencoder, latent, {size, size, overlap});
  } else {
    pixels = autoencoder.decode(latent);
  }
  add(outcome, recorded, "expected.raw", pixels);
  add(outcome, recorded, "expected.image", to_image(pixels));
}

void run_encode(Outcome& outcome, const Case& recorded, const models::Autoencoder& autoencoder) {
  const Json& info = recorded.info();
  const Tensor pixels = from_image(recorded["input.pixels"]);
  if (info.find("tile_size") != nullptr) {
    const std::int64_t size = info.at("tile_size").as_int();
    add(outcome, recorded, "expected.latent",
        vae::encode_tiled(autoencoder, pixels, {size, size, info.at("overlap").as_int()}));
    return;
  }
  add(outcome, recorded, "expected.latent", autoencoder.encode(pixels));
  if (const auto* kl = dynamic_cast<const vae::AutoencoderKl*>(&autoencoder)) {
    add(outcome, recorded, "expected.moments", kl->moments(pixels));
  }
}

/// Layer by layer.
Outcome run_inside(const Case& recorded) {
  Outcome outcome;
  const Weights w = weights_of(recorded);
  const Tensor start = nn::Conv2d(w / "post_quant_conv")(recorded["input.latent"]);
  const Tensor conv = nn::Conv2d(w / "decoder.conv_in")(start);
  const Tensor block = vae::ResBlock(w / "decoder.mid.block_1")(conv);
  const Tensor attended = vae::PixelAttention(w / "decoder.mid.attn_1")(block);
  add(outcome, recorded, "expected.dec.post_quant", start);
  add(outcome, recorded, "expected.dec.conv_in", conv);
  add(outcome, recorded, "expected.dec.mid_block_1", block);
  add(outcome, recorded, "expected.dec.mid_attn_1", attended);
  add(outcome, recorded, "expected.dec.mid_block_2",
      vae::ResBlock(w / "decoder.mid.block_2")(attended));
  const Tensor encoded = nn::Conv2d(w / "encoder.conv_in")(recorded["input.pixels_nchw"]);
  add(outcome, recorded, "expected.enc.conv_in", encoded);
  add(outcome, recorded, "expected.enc.down0_block0",
      vae::ResBlock(w / "encoder.down.0.block.0")(encoded));
  return outcome;
}

Outcome run_formats(const Case& recorded) {
  Outcome outcome;
  for (const auto& [name, expected] : recorded.info().at("formats").as_object()) {
    const models::LatentFormat* format = models::find_latent_format(name);
    if (format == nullptr) return Outcome::not_yet("latent format " + name);
    const Tensor latent = recorded["input." + name];
    add(outcome, recorded, fmt::format("expected.{}.in", name), format->process_in(latent));
    add(outcome, recorded, fmt::format("expected.{}.out", name), format->process_out(latent));
  }
  return outcome;
}

Outcome run_preview(const Case& recorded) {
  const Tensor picture = models::latents::kSd15.preview(recorded["input.latent"]);
  const Tensor expected = recorded["expected.image_u8"];
  // A value on the border between two levels may fall to either side.
  Outcome outcome;
  outcome.add("image", compare(expected, picture, 1.0 / 255));
  return outcome;
}

}  // namespace

std::optional<Outcome> run_vae(const std::filesystem::path& file) {
  const std::string name = file.stem().string();
  if (name.starts_with("encode_for_inpaint")) return {};
  const Case recorded = Case::load(file);
  if (name == "intermediates") return run_inside(recorded);
  if (name == "latent_formats") return run_formats(recorded);
  if (name == "preview_latent2rgb") return run_preview(recorded);
  Outcome outcome;
  const auto autoencoder = vae::build(weights_of(recorded));
  if (recorded.has("input.latent")) run_decode(outcome, recorded, *autoencoder);
  if (recorded.has("input.pixels")) run_encode(outcome, recorded, *autoencoder);
  return outcome;
}

}  // namespace comfy::golden
