// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/strings.h"
#include "inference/checkpoint/keys.h"
#include "inference/checkpoint/lora.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace comfy::checkpoint {
namespace {

constexpr std::string_view kWeight = ".weight";

std::optional<std::string> without_weight(std::string_view name) {
  if (!name.ends_with(kWeight)) return {};
  return std::string{name.substr(0, name.size() - kWeight.size())};
}

std::string underscored(std::string_view name) { return replace_all(std::string{name}, ".", "_"); }

// diffusers trained attention through "processors" and left out the dropout's number.
std::string processor_name(std::string name) {
  name = replace_all(std::move(name), ".to_", ".processor.to_");
  if (name.ends_with(".to_out.0")) name.resize(name.size() - 2);
  return name;
}

/// How trainers call one text encoder: names in front of the module's path, with dots or
/// underscores.
struct EncoderNames {
  LoraEncoder encoder;
  std::string_view generic;
  std::vector<std::string_view> kohya;
  std::string_view diffusers;
  std::vector<std::string_view> projection;
};

const EncoderNames& names_of(LoraEncoder encoder) {
  static const std::array<EncoderNames, 4> kRows{{
      {LoraEncoder::clip_l,
       "clip_l",
       {"lora_te_", "lora_te1_"},
       "text_encoder.",
       {"lora_te1_text_projection"}},
      {LoraEncoder::clip_g,
       "clip_g",
       {"lora_te2_"},
       "text_encoder_2.",
       {"lora_prior_te_text_projection", "lora_te2_text_projection"}},
      {LoraEncoder::clip_g_alone,
       "clip_g",
       {"lora_te_", "lora_prior_te_"},
       "text_encoder.",
       {"lora_prior_te_text_projection", "lora_te2_text_projection"}},
      {LoraEncoder::clip_h, "clip_h", {"lora_te_", "lora_te1_"}, "text_encoder.", {}},
  }};
  return *std::find_if(kRows.begin(), kRows.end(),
                       [&](const EncoderNames& row) { return row.encoder == encoder; });
}

// The matrices of a block; trainers name nothing else of a text encoder.
bool is_trained(std::string_view module) {
  if (!module.starts_with("text_model.encoder.layers.")) return false;
  constexpr std::array<std::string_view, 6> kMatrices{".mlp.fc1",          ".mlp.fc2",
                                                      ".self_attn.k_proj", ".self_attn.q_proj",
                                                      ".self_attn.v_proj", ".self_attn.out_proj"};
  return std::any_of(kMatrices.begin(), kMatrices.end(),
                     [&](std::string_view matrix) { return module.ends_with(matrix); });
}

}  // namespace

void LoraKeys::add(std::string name, LoraTarget target) {
  const auto [place, is_new] = index_.try_emplace(name, rows_.size());
  if (is_new) {
    rows_.emplace_back(std::move(name), std::move(target));
  } else {
    rows_[place->second].second = std::move(target);
  }
}

void LoraKeys::add(const LoraKeys& others) {
  for (const auto& [name, target] : others.rows_) add(name, target);
}

LoraKeys generic_lora_keys(const Weights& network) {
  LoraKeys keys;
  for (const std::string& name : network.names()) {
    const LoraTarget target{.tensor = network.full_name(name)};
    const auto module = without_weight(name);
    if (module) keys.add("lora_unet_" + underscored(*module), target);
    keys.add("diffusion_model." + module.value_or(name), target);
  }
  return keys;
}

LoraKeys unet_lora_keys(const Weights& unet) {
  LoraKeys keys = generic_lora_keys(unet);
  const std::vector<std::string> names = unet.names();
  for (const KeyRow& row : diffusers_unet_keys(names)) {
    const auto module = without_weight(row.theirs);
    if (!module) continue;
    const LoraTarget target{.tensor = unet.full_name(row.ours)};
    const std::string flat = underscored(*module);
    const std::string processor = processor_name(*module);
    keys.add("lora_unet_" + flat, target);
    keys.add("lycoris_" + flat, target);
    keys.add(processor, target);
    keys.add("unet." + processor, target);
  }
  return keys;
}

LoraKeys text_encoder_lora_keys(const Weights& encoder, LoraEncoder which) {
  const EncoderNames& spelling = names_of(which);
  LoraKeys keys;
  for (const std::string& name : encoder.names()) {
    const auto module = without_weight(name);
    if (!module) continue;
    const LoraTarget target{.tensor = encoder.full_name(name)};
    keys.add(fmt::format("text_encoders.{}.transformer.{}", spelling.generic, *module), target);
    if (*module == "text_projection") {
      for (const std::string_view projection : spelling.projection)
        keys.add(std::string{projection}, target);
    }
    if (!is_trained(*module)) continue;
    for (const std::string_view prefix : spelling.kohya)
      keys.add(fmt::format("{}{}", prefix, underscored(*module)), target);
    keys.add(fmt::format("{}{}", spelling.diffusers, *module), target);
  }
  return keys;
}

}  // namespace comfy::checkpoint
