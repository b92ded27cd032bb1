// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/text/vocabulary.h"

#include "foundation/base/error.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace comfy::models::text {
namespace {

using Ids = std::vector<std::int64_t>;

/// A vocabulary file of a few merges that vanishes with the test.
class TinyVocabulary : public testing::Test {
 protected:
  TinyVocabulary()
      : file_{std::filesystem::temp_directory_path() / ("vocabulary_" + std::to_string(getpid()))} {
  }
  ~TinyVocabulary() override { std::filesystem::remove(file_); }
  Vocabulary with(const std::string& merges) {
    std::ofstream{file_} << "version: 1\n" << merges;
    return Vocabulary{file_};
  }
  std::filesystem::path file_;
};

// Entries: '!' is 0, 'a' is 64, 'b' 65, 'c' 66; ending a word 256 more; merges from 512 on.
TEST_F(TinyVocabulary, JoinsThePairWhoseMergeComesFirst) {
  const Vocabulary vocabulary = with("b c</w>\na b\na bc</w>\n");
  EXPECT_EQ(vocabulary.encode("abc"), (Ids{514}));
  EXPECT_EQ(vocabulary.encode("abab"), (Ids{513, 64, 65 + 256}));
}

TEST_F(TinyVocabulary, SpellsUnknownWordsByBytes) {
  const Vocabulary vocabulary = with("a b\n");
  EXPECT_EQ(vocabulary.encode("é"),
            (Ids{127, 102 + 256}));  // C3 A9, entries in the order of Latin-1
  EXPECT_EQ(vocabulary.encode("a \xFF"), (Ids{64 + 256}));
}

TEST_F(TinyVocabulary, CutsNumbersContractionsAndSigns) {
  const Vocabulary vocabulary = with("a b\n");
  EXPECT_EQ(vocabulary.encode("12"), (Ids{16 + 256, 17 + 256}));
  EXPECT_EQ(vocabulary.encode("a's"), (Ids{64 + 256, 6, 82 + 256}));
  EXPECT_EQ(vocabulary.encode("!!a"), (Ids{0, 256, 64 + 256}));
}

TEST_F(TinyVocabulary, KnowsTheMarksInAnyCase) {
  const Vocabulary vocabulary = with("a b\n");
  EXPECT_EQ(vocabulary.encode("<<|endoftext|>A"), (Ids{27 + 256, kEndToken, 64 + 256}));
  EXPECT_EQ(vocabulary.encode("<|StartOfText|>"), (Ids{kStartToken}));
}

TEST_F(TinyVocabulary, RefusesAFileThatJoinsUnknownEntries) {
  EXPECT_THROW(with("a bc\n").encode("a"), Error);
  EXPECT_THROW(with("a\n").encode("a"), Error);
}

TEST_F(TinyVocabulary, RefusesADamagedOrEmptyFile) {
  const Vocabulary vocabulary{file_};
  std::ofstream{file_}.flush();
  EXPECT_THROW(vocabulary.encode("a"), Error);
  std::ofstream{file_} << "\x1f\x8b\x08garbage that is no stream";
  EXPECT_THROW(vocabulary.encode("a"), Error);
}

TEST(Vocabulary, NamesTheFileThatIsMissing) {
  try {
    Vocabulary{"/nowhere/vocabulary.gz"}.encode("a");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::not_found);
    EXPECT_NE(error.message.find("/nowhere/vocabulary.gz"), std::string::npos);
  }
}

}  // namespace
}  // namespace comfy::models::text
