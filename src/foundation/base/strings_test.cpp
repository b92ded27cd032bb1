// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/strings.h"

#include <gtest/gtest.h>

namespace comfy {
namespace {

TEST(Utf8, RefusesOverlongFormsSurrogatesAndCutCharacters) {
  EXPECT_TRUE(is_utf8("aé漢😀"));
  for (const char* text :
       {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xff", "\x80"})
    EXPECT_FALSE(is_utf8(text));
}

TEST(Utf8, SurvivesBeingTakenApartAndPutTogether) {
  const std::string text = "aé漢😀";
  std::string_view rest = text;
  std::string made;
  while (!rest.empty()) append_utf8(made, take_code_point(rest));
  EXPECT_EQ(made, text);
}

TEST(PercentCoding, GoesBothWays) {
  EXPECT_EQ(percent_encode("a b/ü", "/"), "a%20b/%C3%BC");
  EXPECT_EQ(percent_decode("a%20b%2fc"), "a b/c");
  EXPECT_FALSE(percent_decode("%2"));
  EXPECT_FALSE(percent_decode("%zz"));
}

TEST(Strings, SplitTrimJoinAndReplace) {
  EXPECT_EQ(split("a,,b", ',').size(), 3u);
  EXPECT_EQ(trim("  x \n"), "x");
  EXPECT_EQ(join({"a", "b"}, ", "), "a, b");
  EXPECT_EQ(replace_all("aXbX", "X", "yy"), "ayybyy");
}

}  // namespace
}  // namespace comfy
