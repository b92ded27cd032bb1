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

/// Shows a text on itself.
struct Telling {
  struct In {
    std::string words;
  };
  struct Out {};
  static auto spec() {
    return node<Telling>("Telling", "text").in("words", &In::words).as_output_node();
  }
  static Out run(const In& in, Context& context) {
    context.show_text(in.words);
    return {};
  }
};

TEST(Executor, HandsOverWhatANodeShows) {
  Registry registry = testing_registry();
  registry.add<Telling>();
  Bench bench{std::move(registry)};
  bench.run(R"({"7": {"class_type": "Telling", "inputs": {"words": "8 by 8"}}})");
  ASSERT_EQ(bench.sink.texts.size(), 1U);
  EXPECT_EQ(bench.sink.texts[0].node_id, "7");
  EXPECT_EQ(bench.sink.texts[0].text, "8 by 8");
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
  Bench bench{testing_registry(), {.cache = {.policy = CachePolicy::none}}};
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
  Bench lru{testing_registry(), {.cache = {.policy = CachePolicy::lru, .lru_size = 100}}};
  lru.run(kChain);
  lru.run(other.c_str());
  lru.run(kChain);
  EXPECT_EQ(lru.sink.order(), "");
  Bench small{testing_registry(), {.cache = {.policy = CachePolicy::lru, .lru_size = 2}}};
  small.run(kChain);
  small.run(other.c_str());
  small.run(kChain);
  EXPECT_EQ(small.sink.order(), "1 2 3");
}

/// A chain of one picture of that colour.
std::string chain_of_colour(int colour) {
  std::string prompt = kChain;
  return prompt.replace(prompt.find("\"color\": 1"), 10, "\"color\": " + std::to_string(colour));
}

TEST(Executor, KeepsResultsAsLongAsThereIsMemory) {
  std::uint64_t available = 1000;
  Bench bench{testing_registry(),
              {.cache = {.policy = CachePolicy::ram, .ram_headroom = 100, .available_memory = [&] {
                           return available;
                         }}}};
  bench.run(chain_of_colour(1).c_str());
  bench.run(chain_of_colour(2).c_str());
  bench.run(chain_of_colour(1).c_str());
  EXPECT_EQ(bench.sink.order(), "");
  // Short of memory, everything goes but what this prompt still needs.
  available = 99;
  EXPECT_EQ(bench.run(chain_of_colour(3).c_str()).status, Status::success);
  EXPECT_EQ(bench.sink.order(), "1 2 3");
  available = 1000;
  EXPECT_EQ(bench.run(chain_of_colour(1).c_str()).outputs.size(), 1u);
  EXPECT_EQ(bench.sink.order(), "1 2 3");
}

TEST(Executor, PublishesAnewForAnotherUserWhatItNeedNotComputeAnew) {
  Bench bench{testing_registry()};
  bench.execution.user = "ann";
  bench.run(kChain);
  bench.execution.user = "bob";
  bench.run(kChain);
  EXPECT_EQ(bench.sink.order(), "3");
  bench.run(kChain);
  EXPECT_EQ(bench.sink.order(), "");
}

TEST(Executor, ForgetsEverythingWhenReset) {
  Bench bench{testing_registry()};
  const ExecutionResult first = bench.run(kChain);
  bench.executor().reset();
  const ExecutionResult second = bench.run(kChain);
  EXPECT_EQ(bench.sink.order(), "1 2 3");
  EXPECT_NE(to_json(first.outputs), to_json(second.outputs));  // other letters
}

/// What running a chain of inversions takes, counted: the bytes of all events.
std::size_t bytes_of_events_of_chain(int count) {
  Json::Object prompt;
  const auto add = [&](const std::string& id, const char* type, Json::Object inputs) {
    prompt[id] = Json::Object{{"class_type", type}, {"inputs", std::move(inputs)}};
  };
  add("0", "EmptyImage", {{"width", 8}, {"height", 8}, {"batch_size", 1}, {"color", 0}});
  for (int i = 1; i < count; ++i)
    add(std::to_string(i), "ImageInvert", {{"image", Json::Array{std::to_string(i - 1), 0}}});
  add("out", "PreviewImage", {{"images", Json::Array{std::to_string(count - 1), 0}}});
  Registry registry = testing_registry();
  const ManualClock clock;  // no state of progress is due before the end
  ExecutorOptions options;
  options.clock = &clock;
  Executor executor{registry, nullptr, options};
  EventList sink;
  NamingPublisher publisher;
  const graph::ValidationResult checked = graph::validate(prompt, registry.catalogue());
  EXPECT_TRUE(checked.accepted);
  const Execution execution{.prompt_id = "p",
                            .prompt = checked.prompt,
                            .outputs = checked.outputs,
                            .publisher = &publisher};
  EXPECT_EQ(executor.run(execution, sink).status, Status::success);
  EXPECT_EQ(sink.of("executing").size(), static_cast<std::size_t>(count) + 1);
  std::size_t bytes = 0;
  for (const auto& event : sink.events) bytes += to_json(event.data).size();
  return bytes;
}

TEST(Executor, RunsAChainOfTenThousandNodesWithEventsThatGrowLinearly) {
  EXPECT_LT(bytes_of_events_of_chain(10'000), 11 * bytes_of_events_of_chain(1'000));
}

}  // namespace
}  // namespace comfy::engine
