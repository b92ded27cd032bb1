// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/inquiries.h"

#include <gtest/gtest.h>

#include <thread>

namespace comfy::jobs {
namespace {

using namespace std::chrono_literals;

TEST(Inquiries, GiveEachAnswerToWhoeverAsked) {
  Inquiries inquiries;
  std::vector<link::Question> sent;
  std::vector<std::jthread> answering;
  const auto ask = [&](const char* node_class) {
    return inquiries.ask(
        {.node_class = node_class},
        [&](const link::Question& question) {
          answering.emplace_back([&inquiries, question] {
            inquiries.answer({.id = "nobody's", .complaint = "wrong"});
            inquiries.answer({.id = question.id, .complaint = "no " + question.node_class});
          });
        },
        20s);
  };
  EXPECT_EQ(ask("A")->complaint, "no A");
  EXPECT_EQ(ask("B")->complaint, "no B");
}

TEST(Inquiries, GoOnWithoutAnAnswer) {
  Inquiries inquiries;
  link::Question asked;
  const auto keep = [&](const link::Question& question) { asked = question; };
  EXPECT_EQ(inquiries.ask({}, keep, 1ms), std::nullopt);
  inquiries.answer({.id = asked.id});  // too late, and harmless
  EXPECT_EQ(inquiries.ask({}, keep, 1ms), std::nullopt);
}

}  // namespace
}  // namespace comfy::jobs
