// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/json.h"
#include "foundation/base/strings.h"
#include "foundation/graph/object_info.h"
#include "worker/engine/registry.h"
#include "worker/nodes/all.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

namespace comfy::nodes {
namespace {

const engine::Registry& all_nodes() {
  static const engine::Registry registry = [] {
    engine::Registry made;
    register_all_nodes(made);
    return made;
  }();
  return registry;
}

/// Recorded definitions: the whole answer of the original where it is there, else the copy of a
/// few.
Json recorded_definitions() {
  const char* shared = std::getenv("COMFY_SHARED");
  for (const std::filesystem::path& file :
       {std::filesystem::path{shared != nullptr ? shared : "../shared"} /
            "reference/object_info-0.3.64.json",
        std::filesystem::path{"tests/workflows/object_info.json"}})
    if (std::ifstream in{file}; in)
      return parse_json(std::string{std::istreambuf_iterator<char>{in}, {}});
  return Json::Object{};
}

/// The recorded choices of file menus, so that only the shape around them is compared.
graph::FileChoices recorded_choices(const Json& entry) {
  std::optional<Json::Array> first;  // a menu may be empty
  for (const auto& [category, inputs] : entry.at("input").as_object())
    for (const auto& [name, config] : inputs.as_object())
      if (!first && config.is_array() && config.as_array()[0].is_array())
        first = config.as_array()[0].as_array();
  std::vector<std::string> names;
  for (const Json& choice : first.value_or(Json::Array{}))
    if (choice.is_string() && choice.as_string() != "pixel_space")
      names.push_back(choice.as_string());
  return {.models = [names](const std::string&) { return names; },
          .inputs = [names](const std::string&) { return names; },
          .input_exists = {}};
}

/// The texts for people are our own: only whether there is one is compared.
Json without_texts(Json value) {
  if (value.is_array())
    for (Json& item : value.as_array()) item = without_texts(std::move(item));
  if (value.is_object())
    for (auto& [name, item] : value.as_object()) {
      const bool text = name == "tooltip" || name == "description" || name == "output_tooltips";
      item = text ? Json{item.is_string() ? (item.as_string().empty() ? "" : "text") : "texts"}
                  : without_texts(std::move(item));
    }
  return value;
}

/// Numbers by value: 1 and 1.0 say the same in a range.
Json with_plain_numbers(Json value) {
  if (value.is_array())
    for (Json& item : value.as_array()) item = with_plain_numbers(std::move(item));
  if (value.is_object())
    for (auto& [name, item] : value.as_object()) item = with_plain_numbers(std::move(item));
  if (value.is_integer() && value.as_double() < 9e15) return value.as_double();
  return value;
}

/// As text, so that the order of members counts.
std::string comparable(const Json& entry) {
  return to_json(with_plain_numbers(without_texts(entry)));
}

TEST(Nodes, AreDefinedAsComfyUIDefinesThem) {
  const Json recorded = recorded_definitions();
  ASSERT_FALSE(recorded.as_object().empty());
  int compared = 0;
  for (const graph::NodeDefinition& definition : all_nodes().catalogue()) {
    const Json* expected = recorded.find(definition.id);
    if (expected == nullptr) continue;
    ++compared;
    EXPECT_EQ(comparable(graph::object_info(definition, recorded_choices(*expected))),
              comparable(*expected))
        << definition.id;
  }
  EXPECT_GE(compared, 5);
}

TEST(Nodes, DescribeThemselvesInTheirOwnWords) {
  const Json recorded = recorded_definitions();
  for (const graph::NodeDefinition& definition : all_nodes().catalogue()) {
    const Json* expected = recorded.find(definition.id);
    if (expected == nullptr || definition.description.empty()) continue;
    EXPECT_NE(definition.description, expected->string_or("description", "")) << definition.id;
  }
}

TEST(Nodes, SurviveTheWayThroughTheCatalogueFile) {
  const graph::Catalogue& catalogue = all_nodes().catalogue();
  EXPECT_EQ(graph::Catalogue::from_json(catalogue.to_json()).hash(), catalogue.hash());
}

}  // namespace
}  // namespace comfy::nodes
