// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/schedule.h"

#include "worker/engine/testing/nodes.h"

#include <gtest/gtest.h>

namespace comfy::engine {
namespace {

/// Asks for its picture only when it wants to.
struct Patient {
  struct In {
    Lazy<Picture> late;
    Picture now;
  };
  struct Out {
    Picture image;
  };
  static auto spec() {
    return node<Patient>("Patient", "testing")
        .in("late", &In::late)
        .in("now", &In::now)
        .out(&Out::image);
  }
  static std::vector<std::string> check_lazy_status(const In&) { return {}; }
  static Out run(const In& in) { return {in.now}; }
};

Registry registry_with_patient() {
  Registry registry = testing_registry();
  registry.add<Patient>();
  return registry;
}

/// The ids in the order in which a schedule lets them run.
std::string order(const char* json, std::initializer_list<const char*> outputs) {
  const Registry registry = registry_with_patient();
  const Json prompt = parse_json(json);
  const DynamicPrompt nodes{prompt, registry};
  Schedule schedule{nodes, [](NodeIndex) { return false; }};
  for (const char* output : outputs) schedule.add(nodes.find(output));
  std::string ids;
  while (const auto next = schedule.next()) {
    ids += nodes[*next].id + " ";
    schedule.complete(*next);
  }
  return schedule.empty() ? ids : ids + "(cycle)";
}

TEST(Schedule, FollowsTheObservedOrder) {
  // Show <- Add(c1, c2) and Show2 <- c3: c3, Show2, c2, c1, Add, Show.
  EXPECT_EQ(order(R"({"c1":{"class_type":"EmptyImage","inputs":{}},
                      "c2":{"class_type":"EmptyImage","inputs":{}},
                      "c3":{"class_type":"EmptyImage","inputs":{}},
                      "Add":{"class_type":"ImageBatch","inputs":{"image1":["c1",0],"image2":["c2",0]}},
                      "Show":{"class_type":"PreviewImage","inputs":{"images":["Add",0]}},
                      "Show2":{"class_type":"PreviewImage","inputs":{"images":["c3",0]}}})",
                  {"Show", "Show2"}),
            "c3 Show2 c2 c1 Add Show ");
}

TEST(Schedule, StopsAtACycle) {
  EXPECT_EQ(order(R"({"1":{"class_type":"ImageInvert","inputs":{"image":["2",0]}},
                      "2":{"class_type":"ImageInvert","inputs":{"image":["1",0]}},
                      "3":{"class_type":"EmptyImage","inputs":{}},
                      "4":{"class_type":"ImageBatch","inputs":{"image1":["3",0],"image2":["1",0]}}})",
                  {"4"}),
            "3 (cycle)");
}

TEST(Schedule, HoldsNodesBackUntilTheyAreReleased) {
  const Registry registry = testing_registry();
  const Json prompt = parse_json(R"({"1":{"class_type":"EmptyImage","inputs":{}}})");
  const DynamicPrompt nodes{prompt, registry};
  Schedule schedule{nodes, [](NodeIndex) { return false; }};
  schedule.add(0);
  schedule.hold(0);
  EXPECT_FALSE(schedule.next());
  EXPECT_TRUE(schedule.anything_held());
  schedule.release(0);
  EXPECT_EQ(schedule.next(), 0u);
}

TEST(Schedule, DoesNotFollowLazyWires) {
  EXPECT_EQ(order(R"({"1":{"class_type":"EmptyImage","inputs":{}},
                      "2":{"class_type":"EmptyImage","inputs":{}},
                      "3":{"class_type":"Patient","inputs":{"late":["1",0],"now":["2",0]}},
                      "4":{"class_type":"PreviewImage","inputs":{"images":["3",0]}}})",
                  {"4"}),
            "2 3 4 ");
}

/// How often a schedule asks about a node while all of `prompt` is run.
std::size_t questions(const Json& prompt, const char* output) {
  const Registry registry = testing_registry();
  const DynamicPrompt nodes{prompt, registry};
  std::size_t asked = 0;
  Schedule schedule{nodes, [&](NodeIndex) {
                      ++asked;
                      return false;
                    }};
  schedule.add(nodes.find(output));
  std::size_t done = 0;
  for (; const auto next = schedule.next(); ++done) schedule.complete(*next);
  EXPECT_EQ(done, nodes.size());
  return asked;
}

Json batch_of(const std::string& first, const std::string& second) {
  return Json::Object{{"class_type", "ImageBatch"},
                      {"inputs", Json::Object{{"image1", Json::Array{first, 0}},
                                              {"image2", Json::Array{second, 0}}}}};
}

Json empty_image() {
  return Json::Object{{"class_type", "EmptyImage"}, {"inputs", Json::Object{}}};
}

TEST(Schedule, AsksAboutEachWireAFixedNumberOfTimes) {
  constexpr std::size_t kNodes = 5'000;
  const auto id = [](std::size_t i) { return std::to_string(i); };
  Json::Object chain{{"0", empty_image()}}, fan, grid{{"0", empty_image()}};
  Json::Object wires;
  for (std::size_t i = 1; i < kNodes; ++i) {
    chain[id(i)] = batch_of(id(i - 1), id(i - 1));
    fan[id(i)] = empty_image();
    wires["image" + id(i)] = Json::Array{id(i), 0};
    grid[id(i)] = batch_of(id(i - 1), id(i < 70 ? 0 : i - 70));
  }
  fan["0"] = Json::Object{{"class_type", "PreviewImage"}, {"inputs", std::move(wires)}};
  const std::string last = id(kNodes - 1);
  EXPECT_LE(questions(Json{chain}, last.c_str()), 6 * kNodes);
  EXPECT_LE(questions(Json{fan}, "0"), 6 * kNodes);
  EXPECT_LE(questions(Json{grid}, last.c_str()), 6 * kNodes);
}

}  // namespace
}  // namespace comfy::engine
