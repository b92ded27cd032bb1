// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/text_areas.h"

#include "foundation/base/json.h"
#include "inference/models/text/clip.h"
#include "inference/models/text/embedding_file.h"
#include "inference/models/text/tokenizer.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>

namespace comfy::golden {
namespace {

namespace fs = std::filesystem;
namespace text = models::text;

/// Embeddings whose rows tell their own name: each row's only number is its place in `names`.
struct NamedRows {
  std::vector<std::string> names;
  Tensor operator()(std::string_view name, std::int64_t rows) {
    Tensor table = at::zeros({rows, 1}, at::kLong);
    for (std::int64_t row = 0; row < rows; ++row) {
      table[row][0] = static_cast<std::int64_t>(names.size());
      names.push_back(fmt::format("embedding:{}#{}", name, row));
    }
    return table;
  }
};

double number(const Json& value) {
  if (!value.is_string()) return value.as_double();
  return value.as_string() == "-inf" ? -std::numeric_limits<double>::infinity()
                                     : std::numeric_limits<double>::infinity();
}

/// A recorded chunk, its repeated end written out.
std::vector<Json> entries_of(const Json& chunk) {
  std::vector<Json> entries;
  for (const Json& entry : chunk.as_array()) {
    const bool repeats = entry.find("repeat") != nullptr;
    for (std::int64_t n = repeats ? entry.at("n").as_int() : 1; n > 0; --n)
      entries.push_back(repeats ? entry.at("repeat") : entry);
  }
  return entries;
}

/// `recorded`: [token or "embedding:NAME#ROW", weight, word].
bool is_same(const Json& recorded, const models::Token& token,
             const std::vector<std::string>& names) {
  const Json& id = recorded.as_array()[0];
  const bool same_id =
      id.is_string()
          ? token.embedding.defined() &&
                names.at(static_cast<std::size_t>(token.embedding.item<std::int64_t>())) ==
                    id.as_string()
          : !token.embedding.defined() && token.id == id.as_int();
  return same_id && token.weight == number(recorded.as_array()[1]) &&
         token.word == recorded.as_array()[2].as_int();
}

/// Empty when the chunks are what was recorded, else the first difference.
std::string difference(const Json& recorded, const models::TokenChunks& chunks,
                       const std::vector<std::string>& names) {
  if (recorded.as_array().size() != chunks.size())
    return fmt::format("{} chunks expected, got {}", recorded.as_array().size(), chunks.size());
  for (std::size_t c = 0; c < chunks.size(); ++c) {
    const std::vector<Json> entries = entries_of(recorded.as_array()[c]);
    if (entries.size() != chunks[c].size())
      return fmt::format("a chunk of {} expected, got {}", entries.size(), chunks[c].size());
    for (std::size_t i = 0; i < entries.size(); ++i)
      if (!is_same(entries[i], chunks[c][i], names))
        return fmt::format("token {}: {} expected, got {}", i, to_json(entries[i]),
                           chunks[c][i].id);
  }
  return {};
}

/// How a model's recorded prompts are cut.
struct TokenizerKind {
  std::string_view file, key;
  std::int64_t pad;
  models::PromptSyntax syntax = models::PromptSyntax::weighted;
};
constexpr TokenizerKind kTokenizers[] = {
    {"sd1", "l", text::kEndToken},
    {"sd2", "h", 0},
    {"sdxl", "g", 0},
    {"sd1_disable_weights", "l", text::kEndToken, models::PromptSyntax::plain}};

const TokenizerKind* tokenizer_of(const std::string& name) {
  for (const TokenizerKind& kind : kTokenizers)
    if (kind.file == name) return &kind;
  return nullptr;
}

/// The files a case names, as one source under our names, with the heads that tensors cannot tell.
checkpoint::SourcePtr source_of(const Case& recorded) {
  const fs::path golden = recorded.file().parent_path().parent_path();
  std::vector<checkpoint::SourcePtr> sources;
  for (const Json& file : recorded.info().at("weights").as_array()) {
    checkpoint::SourcePtr source = checkpoint::open_source(golden / file.as_string());
    source = checkpoint::renamed_source(source, recorded.weights_prefix(), "");
    for (const auto& [from, to] : recorded.info().at("weights_rename").as_object())
      source = checkpoint::renamed_source(source, from, to.as_string());
    sources.push_back(source);
  }
  Json config{Json::Object{}};
  for (const auto& [scope, of_encoder] : recorded.info().at("config").as_object())
    config[scope + "_heads"] = of_encoder.at("num_attention_heads");
  sources.push_back(checkpoint::dictionary_source({}, {{"comfy.config", to_json(config)}}));
  return checkpoint::joined_source(sources);
}

text::EmbeddingLookup recorded_embeddings(const fs::path& folder) {
  return [file = Case::load(folder / "embeddings.safetensors")](
             std::string_view name, std::string_view encoder, std::int64_t width) {
    checkpoint::NamedTensors tensors;
    const std::string prefix = fmt::format("input.{}.", name);
    for (const std::string& full : file.names(prefix))
      tensors.emplace_back(full.substr(prefix.size()), file[full]);
    return text::pick_embedding(tensors, encoder, width);
  };
}

const text::ClipModel* model_named(const std::string& name) {
  for (const text::ClipModel* model :
       {&text::kSd1, &text::kSd2, &text::kSdxl, &text::kSdxlRefiner, &text::kCascade})
    if (model->name == name) return model;
  return nullptr;
}

}  // namespace

bool have_vocabulary() { return fs::exists(text::default_vocabulary()->file()); }

std::optional<Outcome> run_tokenizer(const fs::path& file) {
  const std::string name = file.stem().string();
  if (file.extension() != ".json" || name.ends_with("_ftfy")) return {};
  const TokenizerKind* kind = tokenizer_of(name);
  if (kind == nullptr) return Outcome::not_yet("tokenizer of " + name);
  std::ifstream bytes{file};
  const Json recorded = parse_json(std::string{std::istreambuf_iterator<char>{bytes}, {}});
  NamedRows rows;
  const text::EmbeddingLookup lookup = [&](std::string_view embedding, std::string_view,
                                           std::int64_t) {
    const Json* all = recorded.find("embedding_rows");
    const Json* count = all == nullptr ? nullptr : all->find(embedding);
    return count == nullptr ? Tensor{} : rows(embedding, count->as_int());
  };
  const text::Tokenizer tokenizer{
      text::default_vocabulary(), lookup, {.encoder = "clip_l", .width = 1, .pad = kind->pad}};
  for (const Json& prompt : recorded.at("prompts").as_array()) {
    const std::string& words = prompt.at("text").as_string();
    const std::string wrong =
        difference(prompt.at(kind->key), tokenizer(words, kind->syntax), rows.names);
    if (!wrong.empty()) return Outcome::failed(fmt::format("prompt \"{}\": {}", words, wrong));
  }
  return Outcome{};
}

std::optional<Outcome> run_clip(const fs::path& file) {
  const std::string name = file.stem().string();
  if (name == "embeddings" || name.starts_with("weights_")) return {};
  constexpr double kTolerance = 1e-5;  // of the recordings' README
  const Case recorded = Case::load(file);
  const text::ClipModel* model = model_named(recorded.info().at("model").as_string());
  if (model == nullptr)
    return Outcome::not_yet("text encoder " + recorded.info().at("model").as_string());
  const checkpoint::Weights weights{text::clip_source(*model, source_of(recorded))};
  const auto encoder =
      text::build_clip(*model, weights, {.embeddings = recorded_embeddings(file.parent_path())});
  std::optional<int> layer;
  const Json* stated = recorded.info().find("clip_layer");
  if (stated && !stated->is_null()) layer = static_cast<int>(stated->as_int());
  const models::TextEncoding encoding = encoder->encode(
      encoder->tokenize(recorded.info().at("text").as_string()), layer,
      name.ends_with("_unprojected") ? models::Pooled::unprojected : models::Pooled::usual);
  Outcome outcome;
  outcome.add("cond", compare(recorded["expected.cond"], encoding.cond, kTolerance));
  outcome.add("pooled", compare(recorded["expected.pooled"], encoding.pooled, kTolerance));
  return outcome;
}

}  // namespace comfy::golden
