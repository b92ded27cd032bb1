// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/attempts/validator_desk.h"

#include "foundation/base/error.h"
#include "worker/engine/node.h"

#include <gtest/gtest.h>

#include <future>

namespace comfy::attempts {
namespace {

/// Refuses sevens, and breaks on eights.
struct Picky {
  struct In {
    int number = 0;
  };
  struct Out {
    int number = 0;
  };
  static auto spec() {
    return engine::node<Picky>("Picky", "testing")
        .in("number", &In::number)
        .validates({"number"})
        .out(&Out::number);
  }
  static void validate(const In& in, const engine::LinkTypes& types) {
    if (in.number == 7) throw Error(Error::Kind::invalid_input, "no sevens");
    if (in.number == 8) throw std::runtime_error("broken");
    if (types.find("number")) throw Error(Error::Kind::invalid_input, "no wires");
  }
  static Out run(const In& in) { return {in.number}; }
};

link::Verdict verdict_on(link::Question question) {
  engine::Registry registry;
  registry.add<Picky>();
  std::promise<link::Verdict> answered;
  ValidatorDesk desk{registry, [&](const link::Verdict& verdict) { answered.set_value(verdict); }};
  question.id = "q";
  desk.ask(std::move(question));
  return answered.get_future().get();
}

TEST(ValidatorDesk, AnswersWithWhatTheValidatorSays) {
  const auto number = [](int value) { return Json{Json::Object{{"number", value}}}; };
  EXPECT_EQ(verdict_on({.node_class = "Picky", .literals = number(6)}).complaint, std::nullopt);
  EXPECT_EQ(verdict_on({.node_class = "Picky", .literals = number(7)}).complaint, "no sevens");
  EXPECT_EQ(verdict_on({.node_class = "Picky", .literals = number(8)}).failure, "broken");
  const Json wired = Json::Object{{"number", "INT"}};
  EXPECT_EQ(verdict_on({.node_class = "Picky", .types = wired}).complaint, "no wires");
  const link::Verdict unknown = verdict_on({.node_class = "Nobody"});
  EXPECT_EQ(unknown.id, "q");
  EXPECT_FALSE(unknown.complaint || unknown.failure);
}

TEST(ValidatorDesk, SpeaksInMessages) {
  const link::Verdict verdict = link::read_verdict(
      link::to_message(link::Verdict{.id = "1", .complaint = "", .failure = std::nullopt}));
  EXPECT_EQ(verdict.complaint, "");
  EXPECT_EQ(verdict.failure, std::nullopt);
  const link::Question question = link::read_question(link::to_message(link::Question{
      .id = "1", .node_class = "A", .node_id = "n", .literals = Json::Object{{"x", 1}}}));
  EXPECT_EQ(question.node_class, "A");
  EXPECT_EQ(question.node_id, "n");
  EXPECT_EQ(question.literals, (Json{Json::Object{{"x", 1}}}));
}

}  // namespace
}  // namespace comfy::attempts
