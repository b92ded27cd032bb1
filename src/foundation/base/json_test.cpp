// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/json.h"

#include "foundation/base/error.h"

#include <gtest/gtest.h>

#include <cmath>

namespace comfy {
namespace {

std::string again(const char* text) { return to_json(parse_json(text)); }

TEST(Json, KeepsTheOrderOfMembers) {
  EXPECT_EQ(again(R"({"b":1,"a":{"z":[],"y":{}}})"), R"({"b": 1, "a": {"z": [], "y": {}}})");
}

TEST(Json, KeepsSixtyFourBitIntegersExactly) {
  EXPECT_EQ(again("[18446744073709551615,-9223372036854775808,9007199254740993]"),
            "[18446744073709551615, -9223372036854775808, 9007199254740993]");
  EXPECT_EQ(parse_json("18446744073709551615").as_uint(), 18446744073709551615ULL);
}

TEST(Json, WritesFloatsAsPythonDoes) {
  EXPECT_EQ(again("[1.0,0.1,1e-5,1e16,123456789012345.6,1e22,-0.0,5e-324,100000.0]"),
            "[1.0, 0.1, 1e-05, 1e+16, 123456789012345.6, 1e+22, -0.0, 5e-324, 100000.0]");
}

TEST(Json, EscapesAsPythonDoes) {
  EXPECT_EQ(again(R"(["é 😀 \" \\ \n \u0001 /"])"), R"(["\u00e9 \ud83d\ude00 \" \\ \n \u0001 /"])");
}

TEST(Json, ReadsNonFiniteNumbersAndWritesNull) {
  EXPECT_TRUE(std::isnan(parse_json("NaN").as_double()));
  EXPECT_EQ(again("[NaN,Infinity,-Infinity]"), "[null, null, null]");
}

TEST(Json, RefusesWhatIsNoDocument) {
  for (const char* text :
       {"", "{", "[1,]", "{\"a\":1,\"a\":2}", "\"\xff\"", "1 2", "\"\\ud800\"", "nul", "{1:2}"})
    EXPECT_THROW(parse_json(text), Error) << text;
}

TEST(Json, RefusesNestingBeyondTheLimitWithoutRecursion) {
  EXPECT_NO_THROW(parse_json(std::string(256, '[') + std::string(256, ']')));
  EXPECT_THROW(parse_json(std::string(100'000, '[')), Error);
}

TEST(Json, FindsMembersOfLargeObjects) {
  Json object = Json::Object{};
  for (int i = 0; i < 1000; ++i) object[std::to_string(i)] = i;
  EXPECT_EQ(object.at("777").as_int(), 777);
  EXPECT_TRUE(object.as_object().erase("5"));
  EXPECT_EQ(object.find("5"), nullptr);
  EXPECT_EQ(object.at("999").as_int(), 999);
}

TEST(Json, TellsOneFromOnePointZeroAndTrue) {
  EXPECT_FALSE(Json{1} == Json{1.0});
  EXPECT_FALSE(Json{1} == Json{true});
  EXPECT_TRUE(parse_json(R"({"a":1,"b":2})") == parse_json(R"({"b":2,"a":1})"));
}

TEST(Json, NamesBothTypesWhenOneIsWrong) {
  try {
    parse_json("[1]").at("x");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message, "expected an object, found array");
  }
}

TEST(Json, PrintsLinesAsPythonsIndentDoes) {
  EXPECT_EQ(to_pretty_json(parse_json(R"({"a":[1,2],"b":{}})")),
            "{\n    \"a\": [\n        1,\n        2\n    ],\n    \"b\": {}\n}");
}

TEST(PythonRepr, ShowsValuesAsASentenceWould) {
  EXPECT_EQ(python_repr(parse_json(R"(["it's", "a\"b", null, true, 1.5, {"k": 2}])")),
            R"(["it's", 'a"b', None, True, 1.5, {'k': 2}])");
}

TEST(Json, RefusesZeroBytesWhereverTheyStand) {
  using namespace std::string_literals;
  for (const std::string& text :
       {"{}\0"s, "{}\0x"s, "{} \0{}"s, "\0{}"s, "{\0}"s, "\"a\0b\""s, "\0"s}) {
    EXPECT_THROW(parse_json(text), Error) << text.size();
  }
}

}  // namespace
}  // namespace comfy
