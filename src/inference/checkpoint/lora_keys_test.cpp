// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/json.h"
#include "inference/checkpoint/keys.h"
#include "inference/checkpoint/lora.h"
#include "inference/checkpoint/recorded.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <map>
#include <memory>
#include <set>

namespace comfy::checkpoint {
namespace {

Json read_gzip(const std::filesystem::path& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file{gzopen(path.c_str(), "rb"), gzclose};
  std::string text;
  std::string chunk(1 << 16, '\0');
  for (int got = 0;
       (got = gzread(file.get(), chunk.data(), static_cast<unsigned>(chunk.size()))) > 0;) {
    text.append(chunk, 0, static_cast<std::size_t>(got));
  }
  return parse_json(text);
}

// A checkpoint's names and shapes with hardly any numbers behind them.
SourcePtr layout(const std::string& family, const std::string& prefix) {
  const auto path =
      recorded("reference/layouts/" + family + ".json.gz", "tests/keys/" + family + ".json.gz");
  if (path.empty()) return nullptr;
  NamedTensors tensors;
  const Json names = read_gzip(path);
  for (const auto& [name, about] : names.as_object()) {
    if (!name.starts_with(prefix)) continue;
    Shape shape;
    for (const Json& size : about.as_array()[1].as_array()) shape.push_back(size.as_int());
    tensors.emplace_back(name, at::zeros({1}).expand(shape));
  }
  return dictionary_source(std::move(tensors));
}

using Map = std::map<std::string, std::string>;

// The recorded names for tensors that the layout has; ComfyUI lists some for tensors it has not.
Map recorded_map(const std::filesystem::path& path, const std::string& part,
                 const std::set<std::string>& targets) {
  Map result;
  const Json names = read_gzip(path);
  for (const auto& [name, target] : names.at(part).as_object()) {
    if (targets.contains(target.as_string())) result[name] = target.as_string();
  }
  return result;
}

void expect_same(const LoraKeys& keys, const std::string& prefix, const std::string& canonical,
                 const Map& expected) {
  Map found;
  for (const auto& [name, target] : keys.rows())
    found[name] = canonical + target.tensor.substr(prefix.size());
  EXPECT_GT(expected.size(), 100u);
  EXPECT_EQ(found.size(), expected.size());
  for (const auto& [name, target] : expected) {
    const auto row = found.find(name);
    ASSERT_NE(row, found.end()) << name << " is missing";
    ASSERT_EQ(row->second, target) << name;
  }
  for (const auto& [name, target] : found)
    ASSERT_TRUE(expected.contains(name)) << name << " is not in the record";
}

std::set<std::string> targets(const Weights& scope, const std::string& canonical) {
  std::set<std::string> result;
  for (const std::string& name : scope.names()) result.insert(canonical + name);
  return result;
}

std::filesystem::path key_map(const std::string& family) {
  return recorded("reference/keymaps/lora_" + family + ".json.gz",
                  "tests/golden/lora/keymaps/lora_" + family + ".json.gz");
}

class UNetLoraKeys : public testing::TestWithParam<const char*> {};

TEST_P(UNetLoraKeys, AreThoseOfComfyUI) {
  const std::string family = GetParam(), prefix = "model.diffusion_model.";
  const SourcePtr source = layout(family, prefix);
  if (source == nullptr || key_map(family).empty())
    GTEST_SKIP() << "the recorded names are not here: set COMFY_SHARED";
  const Weights unet = Weights{source} / "model.diffusion_model";
  expect_same(unet_lora_keys(unet), prefix, "diffusion_model.",
              recorded_map(key_map(family), "unet", targets(unet, "diffusion_model.")));
}

INSTANTIATE_TEST_SUITE_P(Families, UNetLoraKeys,
                         testing::Values("sd15", "sd21", "sdxl_base", "sdxl_refiner"));

// Text encoders under transformers' names, as the key conversions give them.
Weights encoder(int layers, const std::string& scope) {
  NamedTensors tensors;
  const auto add = [&](const std::string& name) {
    tensors.emplace_back(scope + ".transformer." + name, at::zeros({1}));
  };
  for (const char* name :
       {"embeddings.token_embedding", "embeddings.position_embedding", "final_layer_norm"})
    add(std::string{"text_model."} + name + ".weight");
  add("text_projection.weight");
  for (int i = 0; i < layers; ++i) {
    for (const char* name : {"layer_norm1", "layer_norm2", "mlp.fc1", "mlp.fc2", "self_attn.k_proj",
                             "self_attn.q_proj", "self_attn.v_proj", "self_attn.out_proj"}) {
      const std::string module = "text_model.encoder.layers." + std::to_string(i) + "." + name;
      add(module + ".weight");
      add(module + ".bias");
    }
  }
  return Weights{dictionary_source(std::move(tensors))} / scope / "transformer";
}

struct TextCase {
  const char* family;
  const char* scope;
  LoraEncoder encoder;
  int layers;
};

class TextLoraKeys : public testing::TestWithParam<TextCase> {};

TEST_P(TextLoraKeys, AreThoseOfComfyUI) {
  const TextCase& row = GetParam();
  if (key_map(row.family).empty())
    GTEST_SKIP() << "the recorded names are not here: set COMFY_SHARED";
  const Weights w = encoder(row.layers, row.scope);
  const std::string prefix = std::string{row.scope} + ".transformer.";
  expect_same(text_encoder_lora_keys(w, row.encoder), "", "",
              recorded_map(key_map(row.family), "text_encoder", targets(w, prefix)));
}

INSTANTIATE_TEST_SUITE_P(Families, TextLoraKeys,
                         testing::Values(TextCase{"sd15", "clip_l", LoraEncoder::clip_l, 12},
                                         TextCase{"sd21", "clip_h", LoraEncoder::clip_h, 24},
                                         TextCase{"sdxl_base", "clip_l", LoraEncoder::clip_l, 12},
                                         TextCase{"sdxl_base", "clip_g", LoraEncoder::clip_g, 32},
                                         TextCase{"sdxl_refiner", "clip_g",
                                                  LoraEncoder::clip_g_alone, 32}));

TEST(LoraKeys, KeepTheirPlaceWhenTheyAreAddedAgain) {
  LoraKeys keys;
  keys.add("a", {.tensor = "1"});
  keys.add("b", {.tensor = "2"});
  LoraKeys more;
  more.add("a", {.tensor = "3"});
  keys.add(more);
  ASSERT_EQ(keys.rows().size(), 2u);
  EXPECT_EQ(keys.rows()[0].second.tensor, "3");
}

}  // namespace
}  // namespace comfy::checkpoint
