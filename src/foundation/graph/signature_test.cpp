// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/signature.h"

#include <gtest/gtest.h>

#include <cmath>

namespace comfy::graph {
namespace {

std::optional<Signature> of_literal(const Json& value) {
  return sign({.class_type = "A", .inputs = {{.name = "x", .literal = &value}}});
}

TEST(Sign, DistinguishesTypesOfEqualNumbers) {
  EXPECT_NE(of_literal(1), of_literal(1.0));
  EXPECT_NE(of_literal(1), of_literal(true));
  EXPECT_NE(of_literal("1"), of_literal(1));
  EXPECT_NE(of_literal(Json{}), of_literal(false));
  EXPECT_NE(of_literal(-1), of_literal(18446744073709551615ULL));
}

TEST(Sign, ComparesByValue) {
  EXPECT_EQ(of_literal(Json::Object{{"a", 1}, {"b", 2}}),
            of_literal(Json::Object{{"b", 2}, {"a", 1}}));
  EXPECT_NE(of_literal(Json::Array{"ab", "c"}), of_literal(Json::Array{"a", "bc"}));
}

TEST(Sign, DoesNotSeeTheOrderOfInputs) {
  const Json one = 1, two = 2;
  const auto a = sign({.class_type = "A",
                       .inputs = {{.name = "x", .literal = &one}, {.name = "y", .literal = &two}}});
  const auto b = sign({.class_type = "A",
                       .inputs = {{.name = "y", .literal = &two}, {.name = "x", .literal = &one}}});
  EXPECT_EQ(a, b);
}

TEST(Sign, SeesSourceSlotClassIdUserAndChange) {
  const Signature source{1, 2};
  const auto base = sign({.class_type = "A", .inputs = {{.name = "x", .source = source}}});
  EXPECT_NE(base, sign({.class_type = "B", .inputs = {{.name = "x", .source = source}}}));
  EXPECT_NE(base,
            sign({.class_type = "A", .inputs = {{.name = "x", .source = source, .slot = 1}}}));
  EXPECT_NE(base, sign({.class_type = "A", .inputs = {{.name = "x", .source = {1, 3}}}}));
  EXPECT_NE(base,
            sign({.class_type = "A", .id = "7", .inputs = {{.name = "x", .source = source}}}));
  EXPECT_NE(base,
            sign({.class_type = "A", .user = "ann", .inputs = {{.name = "x", .source = source}}}));
  const Json change = "v2";
  EXPECT_NE(
      base,
      sign({.class_type = "A", .change = &change, .inputs = {{.name = "x", .source = source}}}));
}

TEST(Sign, GivesNothingForWhatEqualsNothing) {
  EXPECT_FALSE(of_literal(std::nan("")));
  EXPECT_FALSE(of_literal(Json::Array{1, std::nan("")}));
  const Json nan = std::nan("");
  EXPECT_FALSE(sign({.class_type = "A", .change = &nan}));
}

}  // namespace
}  // namespace comfy::graph
