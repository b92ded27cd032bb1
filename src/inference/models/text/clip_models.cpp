// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/checkpoint/keys.h"
#include "inference/models/text/clip.h"

#include <fmt/format.h>

namespace comfy::models::text {
namespace {

using checkpoint::KeyChange;
using checkpoint::KeyRow;
using checkpoint::LoraEncoder;

constexpr ClipPlace kSd1L[] = {{"cond_stage_model.transformer.", ClipNaming::transformers},
                               {"clip_l.transformer.", ClipNaming::transformers}};
constexpr ClipPlace kSd2H[] = {{"cond_stage_model.model.", ClipNaming::openclip},
                               {"conditioner.embedders.0.model.", ClipNaming::openclip},
                               {"clip_h.transformer.", ClipNaming::transformers}};
constexpr ClipPlace kSdxlL[] = {{"conditioner.embedders.0.transformer.", ClipNaming::transformers},
                                {"clip_l.transformer.", ClipNaming::transformers}};
constexpr ClipPlace kSdxlG[] = {{"conditioner.embedders.1.model.", ClipNaming::openclip},
                                {"clip_g.transformer.", ClipNaming::transformers}};
constexpr ClipPlace kRefinerG[] = {{"conditioner.embedders.0.model.", ClipNaming::openclip},
                                   {"clip_g.transformer.", ClipNaming::transformers}};
constexpr ClipPlace kCascadeG[] = {{"text_encoder.clip_g.transformer.", ClipNaming::transformers},
                                   {"text_encoder.", ClipNaming::transformers},
                                   {"clip_g.transformer.", ClipNaming::transformers}};

constexpr ClipEncoder kSd1Encoders[] = {{.key = "l",
                                         .scope = "clip_l",
                                         .activation = ClipActivation::quick_gelu,
                                         .pad = kEndToken,
                                         .layer = 0,
                                         .hidden_norm = HiddenNorm::applied,
                                         .projection = Projection::skipped,
                                         .padding_mask = PaddingMask::off,
                                         .lora = LoraEncoder::clip_l,
                                         .places = kSd1L}};
constexpr ClipEncoder kSd2Encoders[] = {{.key = "h",
                                         .scope = "clip_h",
                                         .activation = ClipActivation::gelu,
                                         .pad = 0,
                                         .layer = -2,
                                         .hidden_norm = HiddenNorm::applied,
                                         .projection = Projection::applied,
                                         .padding_mask = PaddingMask::off,
                                         .lora = LoraEncoder::clip_h,
                                         .places = kSd2H}};
constexpr ClipEncoder kSdxlEncoders[] = {{.key = "l",
                                          .scope = "clip_l",
                                          .activation = ClipActivation::quick_gelu,
                                          .pad = kEndToken,
                                          .layer = -2,
                                          .hidden_norm = HiddenNorm::skipped,
                                          .projection = Projection::applied,
                                          .padding_mask = PaddingMask::off,
                                          .lora = LoraEncoder::clip_l,
                                          .places = kSdxlL},
                                         {.key = "g",
                                          .scope = "clip_g",
                                          .activation = ClipActivation::gelu,
                                          .pad = 0,
                                          .layer = -2,
                                          .hidden_norm = HiddenNorm::skipped,
                                          .projection = Projection::applied,
                                          .padding_mask = PaddingMask::off,
                                          .lora = LoraEncoder::clip_g,
                                          .places = kSdxlG}};
constexpr ClipEncoder kRefinerEncoders[] = {{.key = "g",
                                             .scope = "clip_g",
                                             .activation = ClipActivation::gelu,
                                             .pad = 0,
                                             .layer = -2,
                                             .hidden_norm = HiddenNorm::skipped,
                                             .projection = Projection::applied,
                                             .padding_mask = PaddingMask::off,
                                             .lora = LoraEncoder::clip_g_alone,
                                             .places = kRefinerG}};
constexpr ClipEncoder kCascadeEncoders[] = {{.key = "g",
                                             .scope = "clip_g",
                                             .activation = ClipActivation::gelu,
                                             .pad = kEndToken,
                                             .layer = -1,
                                             .hidden_norm = HiddenNorm::skipped,
                                             .projection = Projection::applied,
                                             .padding_mask = PaddingMask::on,
                                             .lora = LoraEncoder::clip_g_alone,
                                             .places = kCascadeG}};

/// Rows from transformers' own names. Old merges have lost "text_model.".
void add_transformers_rows(const std::string& ours, const std::string& theirs,
                           std::vector<KeyRow>& rows) {
  rows.push_back({ours + "text_model.*", theirs + "text_model.*"});
  rows.push_back({ours + "text_projection.*", theirs + "text_projection.*"});
  for (const char* part : {"embeddings.*", "encoder.*", "final_layer_norm.*"}) {
    rows.push_back({ours + "text_model." + part, theirs + part});
  }
}

/// Rows from the names of OpenCLIP, whose attention has one fused matrix.
void add_openclip_rows(const std::string& ours, const std::string& theirs,
                       std::vector<KeyRow>& rows) {
  const std::string text = ours + "text_model.";
  rows.push_back({text + "embeddings.token_embedding.weight", theirs + "token_embedding.weight"});
  rows.push_back({text + "embeddings.position_embedding.weight", theirs + "positional_embedding"});
  rows.push_back({text + "final_layer_norm.*", theirs + "ln_final.*"});
  rows.push_back(
      {ours + "text_projection.weight", theirs + "text_projection", KeyChange::transpose});
  rows.push_back({ours + "text_projection.weight", theirs + "text_projection.weight"});
  const std::string our_layer = text + "encoder.layers.#.",
                    their_layer = theirs + "transformer.resblocks.#.";
  constexpr std::pair<const char*, const char*> kParts[] = {
      {"layer_norm1.*", "ln_1.*"},
      {"layer_norm2.*", "ln_2.*"},
      {"mlp.fc1.*", "mlp.c_fc.*"},
      {"mlp.fc2.*", "mlp.c_proj.*"},
      {"self_attn.out_proj.*", "attn.out_proj.*"}};
  for (const auto& [our_part, their_part] : kParts)
    rows.push_back({our_layer + our_part, their_layer + their_part});
  constexpr std::pair<const char*, KeyChange> kThirds[] = {{"q_proj", KeyChange::first_third},
                                                           {"k_proj", KeyChange::second_third},
                                                           {"v_proj", KeyChange::last_third}};
  for (const auto& [part, third] : kThirds) {
    rows.push_back(
        {our_layer + "self_attn." + part + ".weight", their_layer + "attn.in_proj_weight", third});
    rows.push_back(
        {our_layer + "self_attn." + part + ".bias", their_layer + "attn.in_proj_bias", third});
  }
}

std::vector<KeyRow> rows_of(const ClipEncoder& encoder, const ClipPlace& place) {
  std::vector<KeyRow> rows;
  const std::string ours = fmt::format("{}.transformer.", encoder.scope), theirs{place.prefix};
  if (place.naming == ClipNaming::openclip) {
    add_openclip_rows(ours, theirs, rows);
  } else {
    add_transformers_rows(ours, theirs, rows);
  }
  return rows;
}

/// The names by which an encoder is recognized: its first block's, in either naming.
bool lies_at(const ClipPlace& place, const checkpoint::TensorSource& file) {
  const auto has = [&](std::string_view name) {
    return file.find(fmt::format("{}{}", place.prefix, name)).has_value();
  };
  if (place.naming == ClipNaming::openclip) return has("transformer.resblocks.0.ln_1.weight");
  return has("text_model.encoder.layers.0.layer_norm1.weight") ||
         has("encoder.layers.0.layer_norm1.weight");
}

}  // namespace

constexpr ClipModel kSd1{.name = "sd1", .encoders = kSd1Encoders};
constexpr ClipModel kSd2{.name = "sd2", .encoders = kSd2Encoders};
constexpr ClipModel kSdxl{.name = "sdxl", .encoders = kSdxlEncoders};
constexpr ClipModel kSdxlRefiner{.name = "sdxl_refiner", .encoders = kRefinerEncoders};
constexpr ClipModel kCascade{.name = "cascade", .encoders = kCascadeEncoders};

checkpoint::SourcePtr clip_source(const ClipModel& model, const checkpoint::SourcePtr& file) {
  std::vector<KeyRow> rows;
  for (const ClipEncoder& encoder : model.encoders) {
    const auto place =
        std::find_if(encoder.places.begin(), encoder.places.end(),
                     [&](const ClipPlace& candidate) { return lies_at(candidate, *file); });
    if (place == encoder.places.end()) return nullptr;
    const std::vector<KeyRow> more = rows_of(encoder, *place);
    rows.insert(rows.end(), more.begin(), more.end());
  }
  return checkpoint::converted_source(file, rows);
}

}  // namespace comfy::models::text
