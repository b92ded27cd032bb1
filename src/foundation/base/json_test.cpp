// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/json.h"

#include "foundation/base/error.h"
#include "foundation/base/random.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>

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

TEST(Json, ReadsTheNearestFloatHoweverLongItIsWritten) {
  // The first ones lie outside of every table of powers of ten.
  for (const char* text : {"5.8395340306063129061e-340",
                           "-1.2345678901234567890e-400",
                           "123456789012345678901e-345",
                           "0.00000000000000000000000000000000000012345678901234567e-300",
                           "1e-2147483647",
                           "1e-99999999999999999999",
                           "2.2250738585072011e-308",
                           "2.2250738585072014e-308",
                           "4.9406564584124654e-324",
                           "2.4703282292062327208e-324",
                           "1.7976931348623157e308",
                           "179769313486231570000000000000000000000e270",
                           "9007199254740993.0",
                           "0.1e-400",
                           "8.988465674311580536566680721305e307",
                           "123456789012345678901234567890",
                           "1e23",
                           "6.9294956446009195e15",
                           "3.7455744005952583e15",
                           "-0.0",
                           "7.2057594037927933e16"}) {
    const Json value = parse_json(text);
    EXPECT_EQ(value.as_double(), std::strtod(text, nullptr)) << text;
    EXPECT_TRUE(value.is_float()) << text;
    EXPECT_EQ(parse_json(to_json(value)), value) << text;
  }
  const std::string long_one = "0." + std::string(2000, '3') + "e-10";
  EXPECT_EQ(parse_json(long_one).as_double(), std::strtod(long_one.c_str(), nullptr));
}

TEST(Json, ReadsFloatsAsTheyWereWritten) {
  SeededRandom random{20'260'101};
  for (int i = 0; i < 20'000; ++i) {
    const double value = std::bit_cast<double>(random.next());
    if (!std::isfinite(value)) continue;
    ASSERT_EQ(parse_json(python_float(value)).as_double(), value) << python_float(value);
    const std::string longer = fmt::format("{:.25e}", value);
    ASSERT_EQ(parse_json(longer).as_double(), std::strtod(longer.c_str(), nullptr)) << longer;
  }
}

TEST(Json, RefusesNumbersThatNoDoubleComesNear) {
  for (const char* text : {"1e309", "-1e309", "1.8e308", "1e400", "1e99999999999", "Inf", "-Inf",
                           "-NaN", "01", "+1", "1.", ".5", "1e", "0x1", "1f", "1_000"}) {
    EXPECT_THROW(parse_json(text), Error) << text;
  }
  EXPECT_THROW(parse_json(std::string(400, '9')), Error);
}

TEST(Json, EscapesAsPythonDoes) {
  EXPECT_EQ(again(R"(["é 😀 \" \\ \n \u0001 /"])"), R"(["\u00e9 \ud83d\ude00 \" \\ \n \u0001 /"])");
}

TEST(Json, ReadsNonFiniteNumbersAndWritesNull) {
  EXPECT_TRUE(std::isnan(parse_json("NaN").as_double()));
  EXPECT_EQ(again("[NaN,Infinity,-Infinity]"), "[null, null, null]");
}

TEST(Json, RefusesWhatIsNoDocument) {
  for (const char* text : {"", "{", "[1,]", "{\"a\":1,\"a\":2}", "\"\xff\"", "1 2", "\"\\ud800\"",
                           "\"\\ude00\"", "{\"a\\udc00\":1}", "\"\\ud800\\u0041\"", "nul", "{1:2}"})
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
