// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/prompt_limits.h"

#include "foundation/graph/prompt.h"

#include <fmt/format.h>

#include <algorithm>

namespace comfy::graph {
namespace {

/// The longest string in a value, in bytes. JSON is at most 256 deep, so this ends.
std::size_t longest_string(const Json& value) {
  std::size_t longest = 0;
  if (value.is_string()) longest = value.as_string().size();
  if (value.is_array()) {
    for (const Json& item : value.as_array()) longest = std::max(longest, longest_string(item));
  }
  if (value.is_object()) {
    for (const auto& [name, item] : value.as_object()) {
      longest = std::max({longest, name.size(), longest_string(item)});
    }
  }
  return longest;
}

}  // namespace

std::optional<std::string> limit_exceeded(const Json& prompt, const PromptLimits& limits) {
  if (!prompt.is_object()) return {};
  const Json::Object& nodes = prompt.as_object();
  if (nodes.size() > limits.nodes) {
    return fmt::format("a prompt may have {} nodes, got {}", limits.nodes, nodes.size());
  }
  for (const auto& [id, node] : nodes) {
    const std::string shown = id.substr(0, 64);
    if (const std::size_t inputs = inputs_of(node).size(); inputs > limits.inputs_per_node) {
      return fmt::format("a node may have {} inputs, node {} has {}", limits.inputs_per_node, shown,
                         inputs);
    }
    if (const std::size_t longest = std::max(id.size(), longest_string(node));
        longest > limits.string_bytes) {
      return fmt::format("a string may have {} bytes, node {} has one of {}", limits.string_bytes,
                         shown, longest);
    }
  }
  return {};
}

}  // namespace comfy::graph
