// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/schedule.h"

#include "worker/engine/testing/nodes.h"

#include <gtest/gtest.h>

namespace comfy::engine {
namespace {

/// The ids in the order in which a schedule lets them run.
std::string order(const char* json, std::initializer_list<const char*> outputs) {
  const Registry registry = testing_registry();
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
  EXPECT_EQ(order(R"({"1":{"class_type":"StubImage","inputs":{}},
                      "2":{"class_type":"StubMask","inputs":{}},
                      "3":{"class_type":"TestLazyMixImages","inputs":{"image1":["1",0],"mask":["2",0]}},
                      "4":{"class_type":"PreviewImage","inputs":{"images":["3",0]}}})",
                  {"4"}),
            "2 3 4 ");
}

}  // namespace
}  // namespace comfy::engine
