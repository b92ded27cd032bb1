// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/text/tokenizer.h"

#include "foundation/base/json.h"
#include "golden/golden_case.h"
#include "inference/tensor/ops.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

namespace comfy::models::text {
namespace {

/// Embeddings whose rows tell their own name: each row's only number is its place in `names`.
struct NamedRows {
  std::vector<std::string> names;
  Tensor operator()(std::string_view name, std::int64_t rows) {
    Tensor table = at::zeros({rows, 1}, at::kLong);
    for (std::int64_t row = 0; row < rows; ++row) {
      table[row][0] = static_cast<std::int64_t>(names.size());
      names.push_back("embedding:" + std::string{name} + "#" + std::to_string(row));
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

/// Empty when the chunks are what was recorded, else the first difference.
std::string difference(const Json& recorded, const TokenChunks& chunks,
                       const std::vector<std::string>& names) {
  if (recorded.as_array().size() != chunks.size())
    return "number of chunks: " + std::to_string(chunks.size());
  for (std::size_t c = 0; c < chunks.size(); ++c) {
    const std::vector<Json> entries = entries_of(recorded.as_array()[c]);
    if (entries.size() != chunks[c].size())
      return "length of a chunk: " + std::to_string(chunks[c].size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const Token& token = chunks[c][i];
      const Json& id = entries[i].as_array()[0];
      const bool same_id =
          id.is_string()
              ? token.embedding.defined() &&
                    names.at(static_cast<std::size_t>(token.embedding.item<std::int64_t>())) ==
                        id.as_string()
              : !token.embedding.defined() && token.id == id.as_int();
      if (!same_id || token.weight != number(entries[i].as_array()[1]) ||
          token.word != entries[i].as_array()[2].as_int()) {
        return "token " + std::to_string(i) + ": " + std::to_string(token.id) + ", recorded " +
               to_json(entries[i]);
      }
    }
  }
  return {};
}

struct RecordedFile {
  const char* file;
  const char* key;
  std::int64_t pad;
  PromptSyntax syntax;
};

class RecordedTokens : public testing::TestWithParam<RecordedFile> {};

TEST_P(RecordedTokens, AreTheSame) {
  const auto shared = golden::shared_folder();
  if (!shared) GTEST_SKIP() << golden::kNoRecordedData;
  const auto vocabulary = default_vocabulary();
  if (!std::filesystem::exists(vocabulary->file()))
    GTEST_SKIP() << "no vocabulary at " << vocabulary->file();
  std::ifstream file{*shared / "golden/tokenizer" / GetParam().file};
  const Json recorded = parse_json(std::string{std::istreambuf_iterator<char>{file}, {}});
  NamedRows rows;
  const EmbeddingLookup lookup = [&](std::string_view name, std::string_view, std::int64_t) {
    const Json* count =
        recorded.find("embedding_rows") ? recorded.at("embedding_rows").find(name) : nullptr;
    return count ? rows(name, count->as_int()) : Tensor{};
  };
  const Tokenizer tokenizer{
      vocabulary, lookup, {.encoder = "clip_l", .width = 1, .pad = GetParam().pad}};
  for (const Json& prompt : recorded.at("prompts").as_array()) {
    const std::string& text = prompt.at("text").as_string();
    EXPECT_EQ(difference(prompt.at(GetParam().key), tokenizer(text, GetParam().syntax), rows.names),
              "")
        << "prompt: " << text;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Tokenizer, RecordedTokens,
    testing::Values(RecordedFile{"sd1.json", "l", kEndToken, PromptSyntax::weighted},
                    RecordedFile{"sd2.json", "h", 0, PromptSyntax::weighted},
                    RecordedFile{"sdxl.json", "g", 0, PromptSyntax::weighted},
                    RecordedFile{"sd1_disable_weights.json", "l", kEndToken, PromptSyntax::plain}));

/// A vocabulary without merges: one token a byte.
class ByteTokenizer : public testing::Test {
 protected:
  ByteTokenizer() : file_{testing::TempDir() + "no_merges_" + std::to_string(getpid())} {
    std::ofstream{file_} << "version\n";
  }
  ~ByteTokenizer() override { std::filesystem::remove(file_); }
  Tokenizer of_length(std::int64_t length, EmbeddingLookup embeddings = {}) const {
    return {std::make_shared<Vocabulary>(file_),
            std::move(embeddings),
            {.encoder = "clip_l", .width = 2, .length = length, .pad = 0}};
  }
  std::string file_;
};

std::string words_of(const std::vector<Token>& chunk) {
  std::string words;
  for (const Token& token : chunk) words += static_cast<char>('0' + token.word);
  return words;
}

TEST_F(ByteTokenizer, MovesShortWordsToTheNextChunkAndCutsLongOnes) {
  const TokenChunks chunks = of_length(12)("(abcdef)(ghijkl)(mnopqrstuvw)");
  ASSERT_EQ(chunks.size(), 3U);
  EXPECT_EQ(words_of(chunks[0]), "011111100000");
  EXPECT_EQ(words_of(chunks[1]), "022222233330");
  EXPECT_EQ(words_of(chunks[2]), "033333330000");
}

TEST_F(ByteTokenizer, PadsBehindTheEndMark) {
  const TokenChunks chunks = of_length(6)("a");
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(chunks[0][2].id, kEndToken);
  EXPECT_EQ(chunks[0][3].id, 0);
}

TEST_F(ByteTokenizer, EndsForWordsLongerThanAChunk) {
  EXPECT_EQ(of_length(4)("(abcdef)").size(), 3U);
}

TEST_F(ByteTokenizer, ReadsEmbeddingsAsTextWithoutALookup) {
  EXPECT_EQ(words_of(of_length(16)("embedding:x")[0]), "0111111111110000");
}

TEST_F(ByteTokenizer, SurvivesAnEmbeddingWithoutAName) {
  const auto lookup = [](std::string_view, std::string_view, std::int64_t) { return Tensor{}; };
  for (const char* text :
       {"embedding:", "a embedding:", "embedding: ", "embedding:,,", " embedding: embedding:"}) {
    EXPECT_EQ(of_length(20, lookup)(text).size(), 1U) << text;
  }
}

TEST_F(ByteTokenizer, MakesOneTokenOfAnEmbeddingWithoutRows) {
  const auto lookup = [](std::string_view, std::string_view, std::int64_t) {
    return at::ones({2});
  };
  const TokenChunks chunks = of_length(6, lookup)("(embedding:x:0.5)");
  EXPECT_TRUE(chunks[0][1].embedding.defined());
  EXPECT_EQ(chunks[0][1].weight, 0.5);
  EXPECT_EQ(chunks[0][2].id, kEndToken);
}

}  // namespace
}  // namespace comfy::models::text
