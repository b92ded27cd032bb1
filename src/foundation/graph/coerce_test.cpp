// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/coerce.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace comfy::graph {
namespace {

Json good(const char* json, const char* type) {
  return std::get<Json>(coerce(parse_json(json), type));
}
std::string bad(const char* json, const char* type) {
  return std::get<CoercionFailure>(coerce(parse_json(json), type)).message;
}

TEST(Coerce, ReadsIntegersAsPythonDoes) {
  EXPECT_EQ(good("3.9", "INT"), Json{3});
  EXPECT_EQ(good("-3.9", "INT"), Json{-3});
  EXPECT_EQ(good("true", "INT"), Json{1});
  EXPECT_EQ(good("\" 12 \"", "INT"), Json{12});
  EXPECT_EQ(good("\"1_000\"", "INT"), Json{1000});
  EXPECT_EQ(good("\"-9223372036854775808\"", "INT"),
            Json{std::numeric_limits<std::int64_t>::min()});
  EXPECT_EQ(good("18446744073709551615", "INT"), Json{18446744073709551615ULL});
  EXPECT_EQ(good("\"18446744073709551616\"", "INT"), Json{18446744073709551616.0});
}

TEST(Coerce, RefusesWhatIsNoInteger) {
  EXPECT_EQ(bad("\"3.5\"", "INT"), "invalid literal for int() with base 10: '3.5'");
  EXPECT_EQ(bad("\"1__0\"", "INT"), "invalid literal for int() with base 10: '1__0'");
  EXPECT_EQ(bad("\"\"", "INT"), "invalid literal for int() with base 10: ''");
  EXPECT_EQ(
      bad("null", "INT"),
      "int() argument must be a string, a bytes-like object or a real number, not 'NoneType'");
  EXPECT_EQ(bad("NaN", "INT"), "cannot convert float NaN to integer");
  EXPECT_EQ(bad("Infinity", "INT"), "cannot convert float infinity to integer");
}

TEST(Coerce, ReadsFloatsAsPythonDoes) {
  EXPECT_EQ(good("1", "FLOAT"), Json{1.0});
  EXPECT_EQ(good("true", "FLOAT"), Json{1.0});
  EXPECT_EQ(good("\" 1_0.5e1 \"", "FLOAT"), Json{105.0});
  EXPECT_EQ(good("\".5\"", "FLOAT"), Json{0.5});
  EXPECT_TRUE(std::isinf(good("\"-Infinity\"", "FLOAT").as_double()));
  EXPECT_TRUE(std::isnan(good("\"nan\"", "FLOAT").as_double()));
  EXPECT_EQ(bad("\"0x10\"", "FLOAT"), "could not convert string to float: '0x10'");
  EXPECT_EQ(bad("\"--1\"", "FLOAT"), "could not convert string to float: '--1'");
  EXPECT_EQ(bad("{}", "FLOAT"), "float() argument must be a string or a real number, not 'dict'");
}

TEST(Coerce, MakesTextOfEverything) {
  EXPECT_EQ(good("true", "STRING"), Json{"True"});
  EXPECT_EQ(good("1.0", "STRING"), Json{"1.0"});
  EXPECT_EQ(good("null", "STRING"), Json{"None"});
  EXPECT_EQ(good(R"({"a": [1]})", "STRING"), Json{R"({"a": [1]})"});
}

TEST(Coerce, TakesEveryTextForTrueButTheEmptyOne) {
  EXPECT_EQ(good("\"false\"", "BOOLEAN"), Json{true});
  for (const char* nothing : {"\"\"", "0", "0.0", "null", "[]", "{}"})
    EXPECT_EQ(good(nothing, "BOOLEAN"), Json{false}) << nothing;
}

TEST(Coerce, LeavesOtherTypesAlone) { EXPECT_EQ(good("\"1\"", "IMAGE"), Json{"1"}); }

TEST(CompareNumbers, IsExactBeyondDoubles) {
  EXPECT_TRUE(compare_numbers(18446744073709551615ULL, 18446744073709551614ULL) > 0);
  EXPECT_TRUE(compare_numbers(-1, 18446744073709551615ULL) < 0);
  EXPECT_TRUE(compare_numbers(18446744073709551616.0, 18446744073709551615ULL) > 0);
  EXPECT_EQ(compare_numbers(Json{"1"}, 1), std::partial_ordering::unordered);
}

TEST(PythonEqual, TakesOneOnePointZeroAndTrueForTheSame) {
  EXPECT_TRUE(python_equal(1, 1.0));
  EXPECT_TRUE(python_equal(true, 1));
  EXPECT_FALSE(python_equal("1", 1));
}

}  // namespace
}  // namespace comfy::graph
