// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/type_match.h"

#include <gtest/gtest.h>

namespace comfy::graph {
namespace {

TEST(TypesMatch, KnowsStarsAndUnions) {
  EXPECT_TRUE(types_match("IMAGE", "IMAGE"));
  EXPECT_FALSE(types_match("IMAGE", "MASK"));
  EXPECT_TRUE(types_match("*", "MASK"));
  EXPECT_TRUE(types_match("MASK", "IMAGE,*"));
  EXPECT_TRUE(types_match("FLOAT", "INT, FLOAT"));
  EXPECT_TRUE(types_match("IMAGE,FLOAT", "FLOAT"));
  EXPECT_FALSE(types_match("IMAGE,FLOAT", "INT,MASK"));
}

TEST(TypesMatch, ComparesChoices) {
  const Json::Array ab{"a", "b"}, ac{"a", "c"};
  EXPECT_TRUE(types_match(ab, ab));
  EXPECT_FALSE(types_match(ab, ac));
  EXPECT_TRUE(types_match(ab, "COMBO"));
  EXPECT_FALSE(types_match("STRING", ab));
  EXPECT_TRUE(types_match("*", ab));
  EXPECT_TRUE(types_match(Json::Array{}, ab));
}

}  // namespace
}  // namespace comfy::graph
