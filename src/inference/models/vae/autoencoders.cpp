// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/vae/autoencoders.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "inference/checkpoint/keys.h"
#include "inference/models/vae/autoencoder_kl.h"
#include "inference/models/vae/taesd.h"

#include <fmt/format.h>

namespace comfy::models::vae {
namespace {

constexpr const char* kDiffusersMark = "decoder.up_blocks.0.resnets.0.norm1.weight";

/// Parts of names that only differ in spelling.
std::string respelled(std::string name) {
  static constexpr std::pair<const char*, const char*> kSpellings[] = {
      {"mid_block.resnets.0.", "mid.block_1."},
      {"mid_block.resnets.1.", "mid.block_2."},
      {"mid_block.attentions.0.", "mid.attn_1."},
      {".resnets.", ".block."},
      {".downsamplers.0.", ".downsample."},
      {".upsamplers.0.", ".upsample."},
      {".conv_shortcut.", ".nin_shortcut."},
      {".conv_norm_out.", ".norm_out."},
      {".down_blocks.", ".down."}};
  static constexpr std::pair<const char*, const char*> kAttention[] = {
      {".group_norm.", ".norm."},
      {".query.", ".q."},
      {".key.", ".k."},
      {".value.", ".v."},
      {".to_q.", ".q."},
      {".to_k.", ".k."},
      {".to_v.", ".v."},
      {".proj_attn.", ".proj_out."},
      {".to_out.0.", ".proj_out."}};
  for (const auto& [theirs, ours] : kSpellings) name = replace_all(std::move(name), theirs, ours);
  if (name.find(".attn_1.") == std::string::npos) return name;
  for (const auto& [theirs, ours] : kAttention) name = replace_all(std::move(name), theirs, ours);
  return name;
}

/// Our decoder counts levels from the highest resolution, theirs from the lowest.
std::string native_name(std::string name, std::int64_t levels) {
  constexpr std::string_view kUp = "decoder.up_blocks.";
  name = respelled(std::move(name));
  if (!name.starts_with(kUp)) return name;
  const std::size_t end = name.find('.', kUp.size());
  const std::int64_t level = std::stoll(name.substr(kUp.size(), end - kUp.size()));
  return fmt::format("decoder.up.{}{}", levels - 1 - level, name.substr(end));
}

std::int64_t scale_of_decoder(const Weights& w) {
  std::int64_t factor = 1;
  for (std::int64_t i = 0; i < w.count("decoder.up"); ++i) {
    if (w.has(fmt::format("decoder.up.{}.upsample.conv.weight", i))) factor *= 2;
  }
  return factor;
}

/// For networks that denoise pixels.
class PixelSpace final : public Autoencoder {
 public:
  Tensor decode(const Tensor& latent) const override { return latent; }
  Tensor encode(const Tensor& pixels) const override { return pixels; }
  std::int64_t latent_channels() const override { return 3; }
  std::int64_t downscale() const override { return 1; }
};

}  // namespace

std::optional<Description> detect(const Weights& w) {
  if (w.has("pixel_space_vae"))
    return Description{.kind = Kind::pixel_space, .latent_channels = 3, .downscale = 1};
  if (w.has("taesd_decoder.1.weight")) {
    return Description{.kind = Kind::taesd, .latent_channels = w.dim("taesd_decoder.1.weight", 1)};
  }
  if (w.has("decoder.conv_in.weight") && w.shape("decoder.conv_in.weight").size() == 4 &&
      w.has("decoder.mid.block_1.norm1.weight")) {
    const char* latent =
        w.has("post_quant_conv.weight") ? "post_quant_conv.weight" : "decoder.conv_in.weight";
    return Description{
        .kind = Kind::kl, .latent_channels = w.dim(latent, 1), .downscale = scale_of_decoder(w)};
  }
  return {};
}

std::unique_ptr<Autoencoder> build(const Weights& w) {
  const auto description = detect(w);
  if (!description) {
    throw Error(Error::Kind::invalid_input,
                fmt::format("an autoencoder (VAE) expected under \"{}\", found none", w.scope()));
  }
  if (description->kind == Kind::pixel_space) return std::make_unique<PixelSpace>();
  if (description->kind == Kind::taesd) return std::make_unique<TinyAutoencoder>(w);
  return std::make_unique<AutoencoderKl>(w);
}

checkpoint::SourcePtr native_names(checkpoint::SourcePtr file) {
  if (!file->find(kDiffusersMark)) return file;
  std::int64_t levels = 0;
  while (file->has_prefix(fmt::format("decoder.up_blocks.{}.", levels))) ++levels;
  std::vector<checkpoint::KeyRow> rows;
  for (const auto& tensor : file->tensors()) {
    rows.push_back({.ours = native_name(tensor.name, levels), .theirs = tensor.name});
  }
  return checkpoint::converted_source(std::move(file), rows);
}

}  // namespace comfy::models::vae
