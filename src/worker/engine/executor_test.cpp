// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/executor.h"

#include "worker/engine/testing/harness.h"
#include "worker/engine/testing/nodes.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace comfy::engine {
namespace {

using Status = ExecutionResult::Status;

constexpr const char* kChain = R"({
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}},
    "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
    "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}})";

std::string last_type(const ExecutionResult& result) {
  return result.messages.back().as_array().at(0).as_string();
}
const Json& last_data(const ExecutionResult& result) {
  return result.messages.back().as_array().at(1);
}

TEST(Executor, MarksTheEventThatEndsThePrompt) {
  Bench bench{testing_registry()};
  EXPECT_EQ(bench.run(kChain).status, Status::success);
  for (const auto& event : bench.sink.events)
    EXPECT_EQ(event.terminal, event.type == "execution_success") << event.type;
}

TEST(Executor, StopsWhereTheUserStopsIt) {
  Bench bench{testing_registry()};
  bench.execution.cancellation = {};
  bench.sink.on_event = [&](const Event& event) {
    if (event.type == "executing" && event.data.at("node") == Json{"2"})
      bench.execution.cancellation.cancel();
  };
  const ExecutionResult result = bench.run(kChain);
  EXPECT_EQ(result.status, Status::interrupted);
  EXPECT_EQ(last_type(result), "execution_interrupted");
  EXPECT_EQ(last_data(result).at("node_id"), Json{"2"});
  EXPECT_EQ(last_data(result).at("node_type"), Json{"ImageInvert"});
  EXPECT_EQ(last_data(result).at("executed"), Json{Json::Array{"1"}});
  EXPECT_EQ(result.status_json().at("status_str"), Json{"error"});
  // What was done stays done.
  bench.execution.cancellation = {};
  bench.sink.on_event = nullptr;
  EXPECT_EQ(bench.run(kChain).status, Status::success);
  EXPECT_EQ(bench.sink.order(), "2 3");
}

TEST(Executor, StopsWhileItWaitsForAnAsynchronousNode) {
  Bench bench{testing_registry()};
  bench.sink.on_event = [&](const Event& event) {
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

TEST(Executor, ReportsNothingAfterTheEndOfAFailedPrompt) {
  Bench bench{testing_registry()};
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

TEST(Executor, ReportsABlockersMessageOnceAndGoesOn) {
  Bench bench{testing_registry()};
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

TEST(Executor, SaysWhatANodeWasGivenWhenItFails) {
  Bench bench{testing_registry()};
  const ExecutionResult result = bench.run(R"({
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 4, "batch_size": 1, "color": 1}},
    "2": {"class_type": "TestSyncError", "inputs": {"value": ["1", 0]}},
    "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}})");
  EXPECT_EQ(result.status, Status::error);
  const Json& data = last_data(result);
  EXPECT_EQ(data.at("exception_message"), Json{"Intentional sync execution error for testing\n"});
  EXPECT_EQ(data.at("exception_type"), Json{"RuntimeError"});
  EXPECT_EQ(to_json(data.at("current_inputs")), R"({"value": ["a picture of 8x4"]})");
  EXPECT_EQ(to_json(data.at("current_outputs")), R"(["1"])");
  EXPECT_EQ(to_json(data.at("traceback")), "[]");
}

TEST(Executor, NamesTheInputThatHasTheWrongType) {
  Bench bench{testing_registry()};
  const ExecutionResult result =
      bench.run(R"({"3": {"class_type": "PreviewImage", "inputs": {"images": "text"}}})");
  EXPECT_EQ(last_data(result).at("exception_message"), Json{"images: expected IMAGE, got text\n"});
  EXPECT_EQ(last_data(result).at("exception_type"), Json{"ValueError"});
}

TEST(Executor, ReportsACycleThroughAnUndeclaredWire) {
  Bench bench{testing_registry()};
  const ExecutionResult result = bench.run(R"({
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 4, "bogus": ["1", 0]}},
    "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}})");
  EXPECT_EQ(result.status, Status::error);
  EXPECT_EQ(last_data(result).at("exception_type"), Json{"graph.DependencyCycleError"});
  EXPECT_EQ(bench.run(kChain).status, Status::success);
}

TEST(Executor, SurvivesAPromptThatWasNeverValidated) {
  Bench bench{testing_registry()};
  for (const char* prompt :
       {R"({"1": {"class_type": "Nothing", "inputs": {}}})", R"({"1": 5})", R"({"1": {}})",
        R"({"1": {"class_type": "PreviewImage", "inputs": {"images": ["9", 0]}}})",
        R"({"1": {"class_type": "PreviewImage", "inputs": []}})"}) {
    Execution execution{.prompt_id = "p", .prompt = parse_json(prompt), .outputs = {"1", "none"}};
    EXPECT_EQ(bench.executor().run(execution, bench.sink).status, Status::error) << prompt;
  }
}

constexpr const char* kTwoImages = R"({
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}},
    "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
    "4": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}})";

TEST(Executor, WithoutACacheRunsEverythingEveryTime) {
  Bench bench{testing_registry(), {.cache = CachePolicy::none}};
  bench.run(kTwoImages);
  EXPECT_EQ(bench.sink.order(), "1 4 2 3");
  EXPECT_EQ(bench.run(kTwoImages).outputs.size(), 2u);
  EXPECT_EQ(bench.sink.order(), "1 4 2 3");
}

TEST(Executor, KeepsOldResultsAsLongAsTheYoungestFit) {
  const std::string other =
      std::string{kChain}.replace(std::string{kChain}.find("\"color\": 1"), 10, "\"color\": 2");
  Bench classic{testing_registry()};
  classic.run(kChain);
  classic.run(other.c_str());
  classic.run(kChain);
  EXPECT_EQ(classic.sink.order(), "1 2 3");
  Bench lru{testing_registry(), {.cache = CachePolicy::lru, .lru_size = 100}};
  lru.run(kChain);
  lru.run(other.c_str());
  lru.run(kChain);
  EXPECT_EQ(lru.sink.order(), "");
  Bench small{testing_registry(), {.cache = CachePolicy::lru, .lru_size = 2}};
  small.run(kChain);
  small.run(other.c_str());
  small.run(kChain);
  EXPECT_EQ(small.sink.order(), "1 2 3");
}

TEST(Executor, ForgetsEverythingWhenReset) {
  Bench bench{testing_registry()};
  const ExecutionResult first = bench.run(kChain);
  bench.executor().reset();
  const ExecutionResult second = bench.run(kChain);
  EXPECT_EQ(bench.sink.order(), "1 2 3");
  EXPECT_NE(to_json(first.outputs), to_json(second.outputs));  // other letters
}

TEST(Executor, SendsProgressNoOftenerThanItShould) {
  Registry registry = testing_registry();
  ExecutorOptions options;
  options.progress_interval = std::chrono::milliseconds{30};
  Executor executor{registry, nullptr, options};
  EventList sink;
  NamingPublisher publisher;
  Execution execution{.prompt_id = "p",
                      .prompt = parse_json(R"({
      "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}},
      "2": {"class_type": "TestSleep", "inputs": {"value": ["1", 0], "seconds": 0.2}},
      "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}})"),
                      .outputs = {"3"},
                      .publisher = &publisher};
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

/// Seconds to run a chain of inversions.
double seconds_for_chain(int count) {
  Json::Object prompt;
  const auto add = [&](const std::string& id, const char* type, Json::Object inputs) {
    prompt[id] = Json::Object{{"class_type", type}, {"inputs", std::move(inputs)}};
  };
  add("0", "EmptyImage", {{"width", 8}, {"height", 8}, {"batch_size", 1}, {"color", 0}});
  for (int i = 1; i < count; ++i)
    add(std::to_string(i), "ImageInvert", {{"image", Json::Array{std::to_string(i - 1), 0}}});
  add("out", "PreviewImage", {{"images", Json::Array{std::to_string(count - 1), 0}}});
  Registry registry = testing_registry();
  Executor executor{registry, nullptr};
  EventList sink;
  NamingPublisher publisher;
  const Execution execution{
      .prompt_id = "p", .prompt = prompt, .outputs = {"out"}, .publisher = &publisher};
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(executor.run(execution, sink).status, Status::success);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

TEST(Executor, RunsAChainOfTenThousandNodes) {
  const double small = seconds_for_chain(1000), large = seconds_for_chain(10000);
  RecordProperty("microseconds_per_node", std::to_string(large / 10000 * 1e6));
  EXPECT_LT(large, 2.0);
  EXPECT_LT(large, small * 40 + 0.1)
      << "the cost must grow with the number of nodes, not its square";
}

}  // namespace
}  // namespace comfy::engine
