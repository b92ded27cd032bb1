// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/text/clip.h"

#include "foundation/base/error.h"
#include "inference/tensor/ops.h"
#include "inference/tensor/random.h"

#include <gtest/gtest.h>

namespace comfy::models::text {
namespace {

constexpr std::int64_t kWidth = 8, kLength = 12, kLayers = 2;

/// Random tensors of a tiny text network in transformers' names, in numbers that float16 holds.
checkpoint::NamedTensors transformers_tensors(const std::string& prefix) {
  tensor::Generator random{5};
  checkpoint::NamedTensors tensors;
  const auto add = [&](const std::string& name, const Shape& shape, double scale,
                       double center = 0) {
    tensors.emplace_back(prefix + name,
                         (random.randn(shape) * scale + center).to(at::kHalf).to(at::kFloat));
  };
  const auto add_pair = [&](const std::string& name, const Shape& shape, double center = 0) {
    add(name + ".weight", shape, 0.5, center);
    add(name + ".bias", {shape[0]}, 0.5);
  };
  add("text_model.embeddings.token_embedding.weight", {49408, kWidth}, 1);
  add("text_model.embeddings.position_embedding.weight", {kLength, kWidth}, 0.5);
  for (std::int64_t i = 0; i < kLayers; ++i) {
    const std::string layer = "text_model.encoder.layers." + std::to_string(i) + ".";
    for (const char* part : {"layer_norm1", "layer_norm2"}) add_pair(layer + part, {kWidth}, 1);
    for (const char* part : {"q_proj", "k_proj", "v_proj", "out_proj"})
      add_pair(layer + "self_attn." + part, {kWidth, kWidth});
    add_pair(layer + "mlp.fc1", {2 * kWidth, kWidth});
    add_pair(layer + "mlp.fc2", {kWidth, 2 * kWidth});
  }
  add_pair("text_model.final_layer_norm", {kWidth}, 1);
  add("text_projection.weight", {kWidth, kWidth}, 0.5);
  return tensors;
}

/// The same network in OpenCLIP's names.
checkpoint::NamedTensors openclip_tensors(const std::string& prefix) {
  std::map<std::string, Tensor> ours;
  for (const auto& [name, tensor] : transformers_tensors("")) ours[name] = tensor;
  checkpoint::NamedTensors theirs{
      {prefix + "token_embedding.weight", ours["text_model.embeddings.token_embedding.weight"]},
      {prefix + "positional_embedding", ours["text_model.embeddings.position_embedding.weight"]},
      {prefix + "ln_final.weight", ours["text_model.final_layer_norm.weight"]},
      {prefix + "ln_final.bias", ours["text_model.final_layer_norm.bias"]},
      {prefix + "text_projection", ours["text_projection.weight"].t().contiguous()},
      {prefix + "logit_scale", at::ones({})}};
  for (std::int64_t i = 0; i < kLayers; ++i) {
    const std::string from = "text_model.encoder.layers." + std::to_string(i) + ".";
    const std::string to = prefix + "transformer.resblocks." + std::to_string(i) + ".";
    for (const std::string kind : {"weight", "bias"}) {
      theirs.emplace_back(to + "ln_1." + kind, ours[from + "layer_norm1." + kind]);
      theirs.emplace_back(to + "ln_2." + kind, ours[from + "layer_norm2." + kind]);
      theirs.emplace_back(to + "mlp.c_fc." + kind, ours[from + "mlp.fc1." + kind]);
      theirs.emplace_back(to + "mlp.c_proj." + kind, ours[from + "mlp.fc2." + kind]);
      theirs.emplace_back(to + "attn.out_proj." + kind, ours[from + "self_attn.out_proj." + kind]);
      const std::string attention = from + "self_attn.";
      theirs.emplace_back(
          to + "attn.in_proj_" + kind,
          at::cat({ours[attention + "q_proj." + kind], ours[attention + "k_proj." + kind],
                   ours[attention + "v_proj." + kind]}));
    }
  }
  return theirs;
}

std::unique_ptr<TextEncoder> built(const ClipModel& model, checkpoint::NamedTensors tensors,
                                   checkpoint::Metadata metadata = {}) {
  const auto source =
      clip_source(model, checkpoint::dictionary_source(std::move(tensors), std::move(metadata)));
  return build_clip(model, checkpoint::Weights{source});
}

std::unique_ptr<TextEncoder> sd1() {
  return built(kSd1, transformers_tensors("cond_stage_model.transformer."));
}

TokenChunks chunk(std::vector<std::int64_t> ids) {
  std::vector<Token> tokens{{.id = kStartToken}};
  for (const std::int64_t id : ids) tokens.push_back({.id = id, .word = 1});
  tokens.resize(kLength, Token{.id = kEndToken});
  return {tokens};
}

TextEncoding encode(const TextEncoder& encoder, const TokenChunks& chunks,
                    std::optional<int> layer = {}, Pooled pooled = Pooled::usual) {
  TokenizedPrompt prompt;
  for (const char* key : {"l", "g", "h"}) prompt.emplace(key, chunks);
  return encoder.encode(prompt, layer, pooled);
}

bool close(const Tensor& a, const Tensor& b) {
  return a.sizes() == b.sizes() && at::allclose(a, b, 1e-5, 1e-5);
}

TEST(Clip, SeesOnlyWhatComesBefore) {
  const auto encoder = sd1();
  const Tensor first = encode(*encoder, chunk({1, 2, 3})).cond,
               second = encode(*encoder, chunk({1, 2, 4})).cond;
  EXPECT_TRUE(close(first.narrow(1, 0, 3), second.narrow(1, 0, 3)));
  EXPECT_FALSE(close(first.narrow(1, 3, 1), second.narrow(1, 3, 1)));
}

TEST(Clip, GivesWhatAnEmptyPromptHasAtWeightZero) {
  const auto encoder = sd1();
  TokenChunks chunks = chunk({1, 2});
  chunks[0][1].weight = 0;
  const Tensor weighted = encode(*encoder, chunks).cond;
  EXPECT_TRUE(close(weighted.select(1, 1), encode(*encoder, chunk({})).cond.select(1, 1)));
  EXPECT_TRUE(close(weighted.select(1, 2), encode(*encoder, chunk({1, 2})).cond.select(1, 2)));
}

TEST(Clip, JoinsChunksAndPoolsTheFirst) {
  const auto encoder = sd1();
  TokenChunks chunks = chunk({1});
  chunks.push_back(chunk({2})[0]);
  const TextEncoding both = encode(*encoder, chunks), first = encode(*encoder, chunk({1}));
  EXPECT_EQ(both.cond.sizes().vec(), (Shape{1, 2 * kLength, kWidth}));
  EXPECT_TRUE(close(both.cond.narrow(1, 0, kLength), first.cond));
  EXPECT_TRUE(close(both.pooled, first.pooled));
}

TEST(Clip, ReadsAnotherLayerWhenAsked) {
  const auto encoder = sd1();
  const Tensor last = encode(*encoder, chunk({1})).cond;
  EXPECT_TRUE(close(encode(*encoder, chunk({1}), -1).cond, last));
  EXPECT_FALSE(close(encode(*encoder, chunk({1}), -2).cond, last));
  EXPECT_TRUE(close(encode(*encoder, chunk({1}), -3).cond, last)) << "there is no third layer";
}

TEST(Clip, PutsLearnedEmbeddingsInPlaceOfTokens) {
  const auto tensors = transformers_tensors("cond_stage_model.transformer.");
  TokenChunks learned = chunk({7, 2});
  learned[0][1] = Token{.embedding = tensors[0].second[1], .word = 1};
  EXPECT_TRUE(close(encode(*sd1(), learned).cond, encode(*sd1(), chunk({1, 2})).cond));
}

TEST(Clip, LeavesEmbeddingsOfAnotherWidthOut) {
  TokenChunks chunks = chunk({1, 2});
  chunks[0].insert(chunks[0].begin() + 1, Token{.embedding = at::ones({kWidth + 1}), .word = 1});
  chunks[0].resize(kLength);
  EXPECT_TRUE(close(encode(*sd1(), chunks).cond, encode(*sd1(), chunk({1, 2})).cond));
}

TEST(Clip, ReadsOpenClipsNames) {
  const auto refiner = built(kSdxlRefiner, openclip_tensors("conditioner.embedders.0.model."));
  const auto ours = built(kSdxlRefiner, transformers_tensors("clip_g.transformer."));
  EXPECT_TRUE(close(encode(*refiner, chunk({1, 2})).cond, encode(*ours, chunk({1, 2})).cond));
  EXPECT_TRUE(close(encode(*refiner, chunk({1, 2})).pooled, encode(*ours, chunk({1, 2})).pooled));
}

TEST(Clip, ReadsOldMergesWithoutTheMiddleName) {
  auto tensors = transformers_tensors("cond_stage_model.transformer.");
  for (auto& [name, tensor] : tensors) {
    const std::size_t at = name.find("text_model.");
    if (at != name.npos) name.erase(at, 11);
  }
  EXPECT_TRUE(
      close(encode(*built(kSd1, tensors), chunk({1})).cond, encode(*sd1(), chunk({1})).cond));
}

TEST(Clip, JoinsTheEncodersOfSdxlAlongTheWidth) {
  auto tensors = transformers_tensors("conditioner.embedders.0.transformer.");
  for (auto& entry : openclip_tensors("conditioner.embedders.1.model.")) tensors.push_back(entry);
  const TextEncoding encoding = encode(*built(kSdxl, tensors), chunk({1}));
  EXPECT_EQ(encoding.cond.sizes().vec(), (Shape{1, kLength, 2 * kWidth}));
  EXPECT_EQ(encoding.pooled.sizes().vec(), (Shape{1, kWidth}));
}

TEST(Clip, TakesHeadsFromTheFilesConfiguration) {
  const auto tensors = transformers_tensors("cond_stage_model.transformer.");
  const auto two = built(kSd1, tensors, {{"comfy.config", R"({"clip_l_heads": 2})"}});
  EXPECT_FALSE(close(encode(*two, chunk({1, 2})).cond, encode(*sd1(), chunk({1, 2})).cond));
  EXPECT_THROW(built(kSd1, tensors, {{"comfy.config", R"({"clip_l_heads": 3})"}}), Error);
  EXPECT_THROW(built(kSd1, tensors, {{"comfy.config", R"({"clip_l_heads": 0})"}}), Error);
}

TEST(Clip, FindsNoEncoderInOtherFiles) {
  EXPECT_EQ(clip_source(kSd2, checkpoint::dictionary_source(
                                  transformers_tensors("cond_stage_model.transformer."))),
            nullptr);
  EXPECT_EQ(clip_source(kSdxl, checkpoint::dictionary_source(
                                   transformers_tensors("conditioner.embedders.0.transformer."))),
            nullptr);
}

TEST(Clip, NamesATensorThatIsMissing) {
  auto tensors = transformers_tensors("cond_stage_model.transformer.");
  std::erase_if(tensors,
                [](const auto& entry) { return entry.first.ends_with("layers.1.mlp.fc2.weight"); });
  try {
    built(kSd1, tensors);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message.find("layers.1.mlp.fc2.weight"), std::string::npos) << error.message;
  }
}

TEST(Clip, GivesZerosWhereThereIsNoProjection) {
  auto tensors = transformers_tensors("clip_g.transformer.");
  tensors.pop_back();
  const auto encoder = built(kSdxlRefiner, tensors);
  EXPECT_EQ(encode(*encoder, chunk({1})).pooled.abs().max().item<float>(), 0);
  EXPECT_GT(encode(*encoder, chunk({1}), {}, Pooled::unprojected).pooled.abs().max().item<float>(),
            0);
}

TEST(Clip, PoolsBeforeTheProjectionForSd1) {
  const auto encoder = sd1();
  const Tensor usual = encode(*encoder, chunk({1})).pooled;
  EXPECT_TRUE(close(usual, encode(*encoder, chunk({1}), {}, Pooled::unprojected).pooled));
  EXPECT_TRUE(close(usual, encode(*encoder, chunk({1})).cond.select(1, 2)));
}

TEST(Clip, RefusesTokensAndChunksThatDoNotFit) {
  const auto encoder = sd1();
  EXPECT_THROW(encode(*encoder, chunk({49408})), Error);
  EXPECT_THROW(encode(*encoder, chunk({-1})), Error);
  TokenChunks uneven = chunk({1});
  uneven.push_back({{.id = kStartToken}});
  EXPECT_THROW(encode(*encoder, uneven), Error);
  TokenChunks too_long = chunk({1});
  too_long[0].resize(kLength + 1);
  EXPECT_THROW(encode(*encoder, too_long), Error);
}

TEST(Clip, TakesAPromptWithoutTokensForAnEmptyOne) {
  const TextEncoding encoding = sd1()->encode({}, {}, Pooled::usual);
  EXPECT_EQ(encoding.cond.sizes().vec(), (Shape{1, 2, kWidth}));
}

TEST(Clip, KeepsWeightsInHalfPrecisionUnlessToldOtherwise) {
  auto tensors = transformers_tensors("cond_stage_model.transformer.");
  for (auto& [name, tensor] : tensors) tensor = tensor * 1.0001;
  const auto source = clip_source(kSd1, checkpoint::dictionary_source(tensors));
  const auto usual = build_clip(kSd1, checkpoint::Weights{source});
  const auto exact = build_clip(
      kSd1, checkpoint::Weights{source}.with(checkpoint::Precision{.storage = DType::Float}));
  const Tensor rounded = encode(*usual, chunk({1})).cond;
  EXPECT_FALSE(at::equal(rounded, encode(*exact, chunk({1})).cond));
  EXPECT_TRUE(close(rounded, encode(*sd1(), chunk({1})).cond))
      << "1.0001 rounds back to the float16 number";
}

TEST(Clip, TellsWhatLorasCallItsTensors) {
  const auto source = clip_source(
      kSd1, checkpoint::dictionary_source(transformers_tensors("cond_stage_model.transformer.")));
  const auto keys = clip_lora_keys(kSd1, checkpoint::Weights{source});
  const auto found = std::find_if(keys.rows().begin(), keys.rows().end(), [](const auto& row) {
    return row.first == "lora_te_text_model_encoder_layers_0_mlp_fc1";
  });
  ASSERT_NE(found, keys.rows().end());
  EXPECT_EQ(found->second.tensor, "clip_l.transformer.text_model.encoder.layers.0.mlp.fc1.weight");
}

}  // namespace
}  // namespace comfy::models::text
