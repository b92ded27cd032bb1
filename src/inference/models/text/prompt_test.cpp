// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/text/prompt.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace comfy::models::text {
namespace {

using Parts = std::vector<WeightedText>;

TEST(Prompt, MultipliesWeightsOfNestedGroups) {
  EXPECT_EQ(parse_prompt("a ((b) c)"), (Parts{{"a ", 1.0}, {"b", 1.1 * 1.1}, {" c", 1.1}}));
}

TEST(Prompt, TakesAStatedWeightInsteadOfTheProduct) {
  EXPECT_EQ(parse_prompt("((cat:1.2) dog:1.3)"), (Parts{{"cat", 1.2}, {" dog", 1.3}}));
  EXPECT_EQ(parse_prompt("(cat: +1_0.5e-1 )"), (Parts{{"cat", 1.05}}));
}

TEST(Prompt, ReadsWhatIsNoNumberAsText) {
  for (const char* text :
       {"(cat:)", "(cat:abc)", "(cat:1__0)", "(cat:--1)", "(cat:0x10)", "(cat:1 2)"}) {
    const Parts parts = parse_prompt(text);
    ASSERT_EQ(parts.size(), 1U) << text;
    EXPECT_DOUBLE_EQ(parts[0].weight, 1.1) << text;
  }
}

TEST(Prompt, ReadsNumbersThatAreNotFinite) {
  EXPECT_EQ(parse_prompt("(cat:-inf)")[0].weight, -std::numeric_limits<double>::infinity());
  EXPECT_EQ(parse_prompt("(cat:1e999)")[0].weight, std::numeric_limits<double>::infinity());
  EXPECT_EQ(parse_prompt("(cat:1e-999)")[0].weight, 0.0);
  EXPECT_TRUE(std::isnan(parse_prompt("(cat:nan)")[0].weight));
}

TEST(Prompt, KeepsEscapedParenthesesAsText) {
  EXPECT_EQ(parse_prompt("\\(a\\) (b\\):1.3)"), (Parts{{"(a) ", 1.0}, {"b)", 1.3}}));
  EXPECT_EQ(parse_prompt("(a\\)"), (Parts{{"(a)", 1.0}}));
}

TEST(Prompt, KeepsParenthesesWithoutAPartnerAsText) {
  EXPECT_EQ(parse_prompt("cat) (dog"), (Parts{{"cat) (dog", 1.0}}));
  EXPECT_EQ(parse_prompt("(cat"), (Parts{{"(cat", 1.0}}));
  EXPECT_EQ(parse_prompt("(cat))"), (Parts{{"cat", 1.1}, {")", 1.0}}));
}

TEST(Prompt, IsPlainTextWhenWeightsAreOff) {
  EXPECT_EQ(parse_prompt("(cat:1.3) \\(x\\)", PromptSyntax::plain),
            (Parts{{"(cat:1.3) (x)", 1.0}}));
}

TEST(Prompt, SurvivesDeepNesting) {
  const std::string deep = std::string(20'000, '(') + "x" + std::string(20'000, ')');
  const Parts parts = parse_prompt(deep);
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].text.size(), deep.size() - 2 * 500);
}

TEST(Prompt, InventsNoTextWhateverItIsMadeOf) {
  std::mt19937 random{7};
  constexpr std::string_view kPieces = "(((()))):::\\\\1.5-_e a,x\n";
  for (int round = 0; round < 50'000; ++round) {
    std::string text;
    for (unsigned length = random() % 60; length > 0; --length)
      text += kPieces[random() % kPieces.size()];
    std::string taken;
    for (const WeightedText& part : parse_prompt(text)) taken += part.text;
    // What is left out are marks and weights; the rest comes in its order.
    std::size_t at = 0;
    for (const char c : taken) {
      at = text.find(c, at);
      ASSERT_NE(at, text.npos) << text << " -> " << taken;
      ++at;
    }
  }
}

}  // namespace
}  // namespace comfy::models::text
