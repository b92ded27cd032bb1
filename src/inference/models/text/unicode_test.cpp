// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/text/unicode.h"

#include <gtest/gtest.h>

namespace comfy::models::text {
namespace {

TEST(Unicode, TellsKindsOfCharacters) {
  EXPECT_EQ(kind_of(U'a'), CharacterKind::letter);
  EXPECT_EQ(kind_of(U'猫'), CharacterKind::letter);
  EXPECT_EQ(kind_of(U'7'), CharacterKind::number);
  EXPECT_EQ(kind_of(U'½'), CharacterKind::number);
  EXPECT_EQ(kind_of(U'Ⅷ'), CharacterKind::number);
  EXPECT_EQ(kind_of(U'\u200D'), CharacterKind::control);
  EXPECT_EQ(kind_of(U'\uE000'), CharacterKind::control);      // private use
  EXPECT_EQ(kind_of(U'\U000E0FFF'), CharacterKind::control);  // unassigned
  EXPECT_EQ(kind_of(U'\u3000'), CharacterKind::space);
  EXPECT_EQ(kind_of(U'\u0301'), CharacterKind::other);
  EXPECT_EQ(kind_of(U'('), CharacterKind::other);
}

TEST(Unicode, ComposesLettersAndAccents) {
  EXPECT_EQ(composed(U"e\u0301"), U"\u00E9");
  EXPECT_EQ(composed(U"a\u0323\u0302"), U"\u1EAD");  // two accents on one letter
  EXPECT_EQ(composed(U"a\u0302\u0323"), U"\u1EAD");  // in the other order
  EXPECT_EQ(composed(U"q\u0301"), U"q\u0301");       // no such letter
  EXPECT_EQ(composed(U"\u0301e"), U"\u0301e");
  EXPECT_EQ(composed(U"\u212B"), U"\u00C5");        // the unit becomes the letter
  EXPECT_EQ(composed(U"\u0958"), U"\u0915\u093C");  // excluded from composition
  EXPECT_EQ(composed(U"\u0344"), U"\u0308\u0301");
}

TEST(Unicode, ComposesKoreanSyllables) {
  EXPECT_EQ(composed(U"\u1100\u1161\u11A8"), U"\uAC01");
  EXPECT_EQ(composed(U"\uAC00\u11A8"), U"\uAC01");
  EXPECT_EQ(composed(U"\uAC01\u11A8"), U"\uAC01\u11A8");
}

TEST(Unicode, LowersAsPythonDoes) {
  EXPECT_EQ(lower_case(U"CAFÉ ЙŸ"), U"café йÿ");
  EXPECT_EQ(lower_case(U"İẞ"), U"i\u0307ß");
  EXPECT_EQ(lower_case(U"ΟΔΟΣ"), U"οδος");
  EXPECT_EQ(lower_case(U"ΣΑΣ.Α"), U"σασ.α");  // the full stop does not end the word
  EXPECT_EQ(lower_case(U"Σ"), U"σ");
  EXPECT_EQ(lower_case(U"ĀāĂ"), U"āāă");
}

TEST(Unicode, LeavesInvalidBytesOut) {
  EXPECT_EQ(to_code_points("a\xFFz\xC3"), U"az");
  EXPECT_EQ(to_utf8(U"é🐱"), "é🐱");
}

}  // namespace
}  // namespace comfy::models::text
