// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/object_info.h"
#include "foundation/graph/recorded.h"
#include "workshop.h"

#include <gtest/gtest.h>

namespace testing_pack {

using namespace comfy::plugin;
namespace {

/// Numbers by value: 1 and 1.0 say the same in a range.
Json with_plain_numbers(Json value) {
  if (value.is_array())
    for (Json& item : value.as_array()) item = with_plain_numbers(std::move(item));
  if (value.is_object())
    for (auto& [name, item] : value.as_object()) item = with_plain_numbers(std::move(item));
  if (value.is_number()) return value.as_double();
  return value;
}

TEST(TestingPack, DescribesItsNodesAsTheOriginalDoes) {
  const auto recorded = comfy::graph::recorded_json("object_info-testing-pack.json");
  if (!recorded) GTEST_SKIP() << "the recorded definitions are not here";
  Registry registry{"custom_nodes.testing-pack"};
  register_all(registry);
  std::vector<std::string> ours, theirs;
  for (const auto& definition : registry.catalogue()) ours.push_back(definition.id);
  for (const auto& [id, entry] : recorded->as_object()) theirs.push_back(id);
  EXPECT_EQ(ours, theirs);
  for (const auto& definition : registry.catalogue()) {
    const Json* entry = recorded->find(definition.id);
    if (!entry) continue;
    EXPECT_EQ(with_plain_numbers(comfy::graph::object_info(definition, {})),
              with_plain_numbers(*entry))
        << definition.id;
  }
}

}  // namespace
}  // namespace testing_pack
