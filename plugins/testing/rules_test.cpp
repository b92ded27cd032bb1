// SPDX-License-Identifier: GPL-3.0-or-later
// Rules of execution that no recorded run shows by itself.
#include "workshop.h"

#include <gtest/gtest.h>

#include <string>

namespace testing_pack {

using namespace comfy::plugin;
namespace {

using comfy::engine::ExecutionResult;
using Status = ExecutionResult::Status;

std::string image(int color, int side = 8) {
  return R"({"class_type": "EmptyImage", "inputs": {"width": )" + std::to_string(side) +
         R"(, "height": )" + std::to_string(side) + R"(, "batch_size": 1, "color": )" +
         std::to_string(color) + "}}";
}

ExecutionResult run(comfy::engine::Bench& bench, const std::string& prompt) {
  return bench.run(comfy::parse_json(prompt));
}

/// A picture, a node whose probe says "changed" every time, and what shows the result.
std::string ever_changing(const std::string& more) {
  return R"({"1": )" + image(1) +
         R"(, "2": {"class_type": "TestCustomIsChanged", "inputs":
             {"image": ["1", 0], "should_change": true})" +
         more + R"(}, "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}})";
}

TEST(Rules, APromptsOwnChangeValueStandsInForTheNodesProbe) {
  Workshop workshop;
  auto& bench = workshop.bench;
  run(bench, ever_changing(""));
  run(bench, ever_changing(""));
  EXPECT_EQ(bench.sink.order(), "2 3") << "the probe says NaN, which equals nothing";
  run(bench, ever_changing(R"(, "is_changed": 5)"));
  run(bench, ever_changing(R"(, "is_changed": 5)"));
  EXPECT_EQ(bench.sink.order(), "");
  run(bench, ever_changing(R"(, "is_changed": 6)"));
  EXPECT_EQ(bench.sink.order(), "2 3");
}

TEST(Rules, TheLastElementOfAShorterListIsUsedAgain) {
  Workshop workshop;
  auto& bench = workshop.bench;
  const ExecutionResult result = run(bench, R"({
    "1": {"class_type": "TestMakeListNode", "inputs": {"value1": 1, "value2": 2, "value3": 3}},
    "2": {"class_type": "TestMakeListNode", "inputs": {"value1": 10, "value2": 20}},
    "3": {"class_type": "TestIntMathOperation", "inputs":
          {"a": ["1", 0], "b": ["2", 0], "operation": "add"}},
    "4": {"class_type": "PreviewAny", "inputs": {"source": ["3", 0]}}})");
  EXPECT_EQ(result.status, Status::success);
  EXPECT_EQ(comfy::to_json(bench.sink.of("executed").at(0).at("output")),
            R"({"text": ["11", "22", "23"]})");
}

TEST(Rules, WhatWasDoneBeforeAnErrorIsShownAndStaysCached) {
  Workshop workshop;
  auto& bench = workshop.bench;
  const auto prompt = [](const char* last) {
    return R"({"1": )" + image(1) + R"(,
      "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
      "3": {"class_type": ")" +
           last + R"(", "inputs": {"value": ["1", 0]}},
      "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}})";
  };
  const ExecutionResult failed = run(bench, prompt("TestSyncError"));
  EXPECT_EQ(failed.status, Status::error);
  EXPECT_NE(failed.outputs.find("2"), nullptr) << comfy::to_json(failed.outputs);
  EXPECT_EQ(failed.outputs.find("4"), nullptr);
  run(bench, prompt("TestSyncError"));
  EXPECT_EQ(bench.sink.order(), "3") << "nothing is cached for the node that failed";
  EXPECT_EQ(bench.sink.of("execution_cached").at(0).at("nodes"),
            comfy::parse_json(R"(["1", "2"])"));
}

TEST(Rules, EqualNodesShareAResultWhateverTheirIds) {
  Workshop workshop;
  auto& bench = workshop.bench;
  const auto prompt = [](const char* id) {
    return std::string{"{\""} + id + "\": " + image(7) +
           R"(, "9": {"class_type": "PreviewImage", "inputs": {"images": [")" + id + R"(", 0]}}})";
  };
  run(bench, prompt("1"));
  run(bench, prompt("some other id"));
  EXPECT_EQ(bench.sink.order(), "");
  EXPECT_EQ(bench.sink.of("execution_cached").at(0).at("nodes").as_array().size(), 2u);
}

TEST(Rules, WhatIsSentForAHiddenInputDoesNotCount) {
  Workshop workshop;
  auto& bench = workshop.bench;
  const ExecutionResult result = run(bench, R"({"1": )" + image(1) + R"(,
    "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0], "prompt": 5,
          "extra_pnginfo": "x"}}})");
  EXPECT_EQ(result.status, Status::success);
}

TEST(Rules, AnInputThatNobodyDeclaredIsLeftOut) {
  Workshop workshop;
  auto& bench = workshop.bench;
  const ExecutionResult result = run(bench, R"({"1": )" + image(1) + R"(,
    "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0], "strange": [1, 2, 3],
          "other": {"a": 1}}},
    "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}})");
  EXPECT_EQ(result.status, Status::success);
}

TEST(Rules, AnExpandingNodeThatIsCachedShowsNothingOfItsChildren) {
  Workshop workshop;
  auto& bench = workshop.bench;
  const std::string prompt = R"({
    "1": {"class_type": "StubInt", "inputs": {"value": 2}},
    "2": {"class_type": "TestForLoopOpen", "inputs": {"remaining": ["1", 0], "initial_value1": ["4", 0]}},
    "3": {"class_type": "TestForLoopClose", "inputs": {"flow_control": ["2", 0], "initial_value1": ["5", 0]}},
    "4": )" + image(1) + R"(,
    "5": {"class_type": "ImageInvert", "inputs": {"image": ["2", 2]}},
    "6": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}})";
  const ExecutionResult first = run(bench, prompt);
  ASSERT_EQ(first.status, Status::success) << comfy::to_json(Json{first.messages});
  EXPECT_GT(bench.sink.of("executing").size(), 6u);
  const ExecutionResult second = run(bench, prompt);
  EXPECT_EQ(second.status, Status::success);
  EXPECT_EQ(bench.sink.order(), "");
  EXPECT_NE(second.outputs.find("6"), nullptr);
}

TEST(Rules, AResultThatIsReplacedIsGoneFromTheClassicCache) {
  Workshop workshop;
  auto& bench = workshop.bench;
  const auto prompt = [](int color) {
    return R"({"1": )" + image(color) +
           R"(, "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}})";
  };
  run(bench, prompt(1));
  run(bench, prompt(2));
  run(bench, prompt(1));
  EXPECT_EQ(bench.sink.order(), "1 2") << "only what the prompt before used is kept";
}

TEST(Rules, NumbersOfDifferentTypesAreDifferentInputs) {
  Workshop workshop;
  auto& bench = workshop.bench;
  const auto prompt = [](const char* value) {
    return std::string{R"({"1": {"class_type": "PreviewAny", "inputs": {"source": )"} + value +
           "}}}";
  };
  run(bench, prompt("1"));
  run(bench, prompt("true"));
  EXPECT_EQ(bench.sink.order(), "1");
}

}  // namespace
}  // namespace testing_pack
