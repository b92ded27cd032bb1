// SPDX-License-Identifier: GPL-3.0-or-later
#include "workshop.h"

#include <gtest/gtest.h>

#include <chrono>

namespace testing_pack {

using namespace comfy::plugin;
namespace {

using comfy::engine::ExecutionResult;
using comfy::engine::ExecutorOptions;
using Status = ExecutionResult::Status;

const Json& last_data(const ExecutionResult& result) {
  return result.messages.back().as_array().at(1);
}

TEST(Execution, StopsWhileItWaitsForAnAsynchronousNode) {
  Workshop workshop;
  auto& bench = workshop.bench;
  bench.sink.on_event = [&](const comfy::engine::Event& event) {
    if (event.type == "progress") bench.execution.cancellation.cancel();
  };
  const auto begin = std::chrono::steady_clock::now();
  const ExecutionResult result = bench.run(R"({
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}},
    "2": {"class_type": "TestSleep", "inputs": {"value": ["1", 0], "seconds": 30}},
    "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}})");
  EXPECT_EQ(result.status, Status::interrupted);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{5});
}

TEST(Execution, ReportsNothingAfterTheEndOfAFailedPrompt) {
  Workshop workshop;
  auto& bench = workshop.bench;
  const auto begin = std::chrono::steady_clock::now();
  const ExecutionResult result = bench.run(R"({
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}},
    "2": {"class_type": "TestSleep", "inputs": {"value": ["1", 0], "seconds": 30}},
    "3": {"class_type": "TestAsyncError", "inputs": {"value": ["1", 0], "error_after": 0.03}},
    "4": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    "5": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}})");
  EXPECT_EQ(result.status, Status::error);
  EXPECT_EQ(last_data(result).at("node_id"), Json{"3"});
  EXPECT_TRUE(bench.sink.events.back().terminal);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{5});
}

TEST(Execution, ReportsABlockersMessageOnceAndGoesOn) {
  Workshop workshop;
  auto& bench = workshop.bench;
  const ExecutionResult result = bench.run(R"({
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}},
    "2": {"class_type": "TestExecutionBlocker", "inputs": {"input": ["1", 0], "block": true, "verbose": true}},
    "3": {"class_type": "ImageInvert", "inputs": {"image": ["2", 0]}},
    "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}})");
  EXPECT_EQ(result.status, Status::success);
  const auto errors = bench.sink.of("execution_error");
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].at("exception_message"), Json{"Execution Blocked: Verbose Block!"});
  EXPECT_EQ(errors[0].at("node_id"), Json{"3"});
  EXPECT_EQ(errors[0].find("timestamp"), nullptr);
  EXPECT_TRUE(bench.sink.of("executed").empty());
  EXPECT_EQ(result.messages.size(), 3u);
}

TEST(Execution, SaysWhatANodeWasGivenWhenItFails) {
  Workshop workshop;
  auto& bench = workshop.bench;
  const ExecutionResult result = bench.run(R"({
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 4, "batch_size": 1, "color": 1}},
    "2": {"class_type": "TestSyncError", "inputs": {"value": ["1", 0]}},
    "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}})");
  EXPECT_EQ(result.status, Status::error);
  const Json& data = last_data(result);
  EXPECT_EQ(data.at("exception_message"), Json{"Intentional sync execution error for testing\n"});
  EXPECT_EQ(data.at("exception_type"), Json{"RuntimeError"});
  EXPECT_EQ(comfy::to_json(data.at("current_inputs")), R"({"value": ["comfy::nodes::Image"]})");
  EXPECT_EQ(comfy::to_json(data.at("current_outputs")), R"(["1"])");
  EXPECT_EQ(comfy::to_json(data.at("traceback")), "[]");
}

TEST(Execution, SendsProgressNoOftenerThanItShould) {
  Workshop workshop;
  const auto& registry = workshop.bench.registry();
  ExecutorOptions options;
  options.progress_interval = std::chrono::milliseconds{30};
  comfy::engine::Executor executor{registry, nullptr, options};
  comfy::engine::EventList sink;
  const comfy::engine::Execution execution{.prompt_id = "p",
                                           .prompt = comfy::parse_json(R"({
      "1": {"class_type": "StubInt", "inputs": {"value": 1}},
      "2": {"class_type": "TestSleep", "inputs": {"value": ["1", 0], "seconds": 0.2}}})"),
                                           .outputs = {"2"}};
  executor.run(execution, sink);
  const auto states = sink.of("progress_state");
  EXPECT_GE(states.size(), 3u);
  EXPECT_LE(states.size(), 12u);
  // The last state comes before the end and tells that all is done.
  EXPECT_EQ(sink.events.back().type, "execution_success");
  EXPECT_EQ(sink.events[sink.events.size() - 2].type, "progress_state");
  for (const auto& [id, node] : states.back().at("nodes").as_object())
    EXPECT_EQ(node.at("state"), Json{"finished"}) << id;
}

}  // namespace
}  // namespace testing_pack
