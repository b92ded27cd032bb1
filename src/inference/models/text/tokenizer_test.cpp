// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/text/tokenizer.h"

#include "golden/text_areas.h"
#include "inference/tensor/ops.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace comfy::models::text {
namespace {

class RecordedTokens : public testing::TestWithParam<const char*> {};

TEST_P(RecordedTokens, AreTheSame) {
  const auto shared = golden::shared_folder();
  if (!shared) GTEST_SKIP() << golden::kNoRecordedData;
  if (!golden::have_vocabulary()) GTEST_SKIP() << "no vocabulary";
  const auto outcome = golden::run_tokenizer(*shared / "golden/tokenizer" / GetParam());
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->verdict, golden::Verdict::passed) << outcome->message;
}

INSTANTIATE_TEST_SUITE_P(Tokenizer, RecordedTokens,
                         testing::Values("sd1.json", "sd2.json", "sdxl.json",
                                         "sd1_disable_weights.json"));

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
