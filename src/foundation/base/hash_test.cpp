// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/hash.h"

#include "foundation/base/ids.h"

#include <gtest/gtest.h>

namespace comfy {
namespace {

TEST(Sha256, AgreesWithTheStandardsExamples) {
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, GivesTheSameDigestPieceByPiece) {
  for (std::size_t size = 0; size < 200; ++size) {
    const std::string text(size, 'x');
    Sha256 pieces;
    for (const char c : text) pieces.add(std::string_view{&c, 1});
    EXPECT_EQ(pieces.finish(), sha256(text)) << size;
  }
}

TEST(Uuid4, HasItsVersionAndVariantBits) {
  SeededRandom random{7};
  const std::string id = uuid4(random);
  EXPECT_EQ(id.size(), 36u);
  EXPECT_EQ(id[14], '4');
  EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
  EXPECT_NE(id, uuid4(random));
}

}  // namespace
}  // namespace comfy
