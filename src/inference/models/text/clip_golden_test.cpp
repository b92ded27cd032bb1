// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/json.h"
#include "golden/golden_case.h"
#include "inference/models/text/clip.h"
#include "inference/models/text/embedding_file.h"
#include "inference/tensor/ops.h"

#include <gtest/gtest.h>

namespace comfy::models::text {
namespace {

constexpr double kTolerance = 1e-5;

/// The files a case names, as one source under our names, with the heads that tensors cannot tell.
checkpoint::SourcePtr source_of(const golden::Case& recorded, const std::filesystem::path& folder) {
  std::vector<checkpoint::SourcePtr> sources;
  for (const Json& file : recorded.info().at("weights").as_array()) {
    checkpoint::SourcePtr source = checkpoint::open_source(folder / file.as_string());
    source = checkpoint::renamed_source(source, recorded.weights_prefix(), "");
    for (const auto& [from, to] : recorded.info().at("weights_rename").as_object()) {
      source = checkpoint::renamed_source(source, from, to.as_string());
    }
    sources.push_back(source);
  }
  Json config{Json::Object{}};
  for (const auto& [scope, of_encoder] : recorded.info().at("config").as_object())
    config[scope + "_heads"] = of_encoder.at("num_attention_heads");
  sources.push_back(checkpoint::dictionary_source({}, {{"comfy.config", to_json(config)}}));
  return checkpoint::joined_source(sources);
}

EmbeddingLookup recorded_embeddings(const std::filesystem::path& folder) {
  return [file = golden::Case::load(folder / "clip/embeddings.safetensors")](
             std::string_view name, std::string_view encoder, std::int64_t width) {
    checkpoint::NamedTensors tensors;
    const std::string prefix = "input." + std::string{name} + ".";
    for (const std::string& full : file.names(prefix))
      tensors.emplace_back(full.substr(prefix.size()), file[full]);
    return pick_embedding(tensors, encoder, width);
  };
}

const ClipModel* model_named(const std::string& name) {
  for (const ClipModel* model : {&kSd1, &kSd2, &kSdxl, &kSdxlRefiner, &kCascade}) {
    if (model->name == name) return model;
  }
  return nullptr;
}

void expect_as_recorded(const golden::Case& recorded, const std::filesystem::path& folder) {
  const ClipModel& model = *model_named(recorded.info().at("model").as_string());
  const checkpoint::Weights weights{clip_source(model, source_of(recorded, folder))};
  const auto encoder = build_clip(model, weights, {.embeddings = recorded_embeddings(folder)});
  std::optional<int> layer;
  const Json* stated = recorded.info().find("clip_layer");
  if (stated && !stated->is_null()) layer = static_cast<int>(stated->as_int());
  const bool unprojected = recorded.file().stem().string().ends_with("_unprojected");
  const TextEncoding encoding =
      encoder->encode(encoder->tokenize(recorded.info().at("text").as_string()), layer,
                      unprojected ? Pooled::unprojected : Pooled::usual);
  const auto cond = golden::compare(recorded["expected.cond"], encoding.cond, kTolerance);
  EXPECT_TRUE(cond) << recorded.file().stem() << " cond: " << cond.message;
  const auto pooled = golden::compare(recorded["expected.pooled"], encoding.pooled, kTolerance);
  EXPECT_TRUE(pooled) << recorded.file().stem() << " pooled: " << pooled.message;
}

class RecordedClip : public testing::TestWithParam<const char*> {};

TEST_P(RecordedClip, AgreesWithTheReference) {
  const auto shared = golden::shared_folder();
  if (!shared) GTEST_SKIP() << golden::kNoRecordedData;
  const auto vocabulary = default_vocabulary();
  if (!std::filesystem::exists(vocabulary->file()))
    GTEST_SKIP() << "no vocabulary at " << vocabulary->file();
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator{*shared / "golden/clip"}) {
    const std::string name = entry.path().stem().string();
    if (!name.starts_with(GetParam())) continue;
    expect_as_recorded(golden::Case::load(entry.path()), *shared / "golden");
    ++count;
  }
  EXPECT_GT(count, 0);
}

INSTANTIATE_TEST_SUITE_P(Clip, RecordedClip,
                         testing::Values("sd1_p", "sd2_p", "sdxl_p", "sdxl_refiner_p",
                                         "cascade_p"));

}  // namespace
}  // namespace comfy::models::text
