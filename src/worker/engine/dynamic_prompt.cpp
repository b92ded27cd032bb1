// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/dynamic_prompt.h"

#include "foundation/base/error.h"

#include <fmt/format.h>

#include <utility>

namespace comfy::engine {

DynamicPrompt::DynamicPrompt(const Json& prompt, const Registry& registry) : registry_{registry} {
  for (const auto& [id, json] : prompt.as_object()) {
    PromptNode node;
    node.id = node.display_id = node.real_id = id;
    node.class_type = graph::class_of(json);
    node.type = registry_.find(node.class_type);
    node.is_changed = json.find("is_changed");
    const Json::Object& inputs = graph::inputs_of(json);
    node.inputs.reserve(inputs.size());
    for (const auto& [name, value] : inputs)
      node.inputs.push_back({.name = name, .value = Value{value}});
    insert(std::move(node));
  }
  original_size_ = nodes_.size();
  for (PromptNode& node : nodes_) connect(node);
}

NodeIndex DynamicPrompt::find(std::string_view id) const {
  const auto found = index_.find(std::string(id));
  return found == index_.end() ? kNoNode : found->second;
}

std::vector<NodeIndex> DynamicPrompt::add(const std::vector<ExpandedNode>& nodes,
                                          NodeIndex parent) {
  std::vector<NodeIndex> added;
  for (const ExpandedNode& expanded : nodes) {
    if (index_.contains(expanded.id))
      throw Error(
          Error::Kind::invalid_prompt,
          fmt::format("expected an id for an expanded node that is new, got \"{}\"", expanded.id),
          "DuplicateNodeError");
    PromptNode node;
    node.id = expanded.id;
    node.class_type = expanded.class_type;
    node.type = registry_.find(expanded.class_type);
    if (!node.type)
      throw Error(Error::Kind::invalid_prompt,
                  fmt::format("Cannot execute because node {} does not exist.", node.class_type));
    node.parent = parent;
    const NodeIndex shown_as = expanded.display_id.empty() ? parent : find(expanded.display_id);
    node.display_id = shown_as == kNoNode ? expanded.display_id : nodes_[shown_as].display_id;
    node.real_id = nodes_[parent].real_id;
    for (const auto& [name, value] : expanded.inputs)
      node.inputs.push_back({.name = name, .value = value});
    added.push_back(insert(std::move(node)));
  }
  for (const NodeIndex index : added) {
    connect(nodes_[index]);
    for (const PromptInput& input : nodes_[index].inputs)
      if (input.is_link && input.source == kNoNode)
        throw Error(Error::Kind::invalid_prompt,
                    fmt::format("input \"{}\" of expanded node \"{}\" is linked to {}, which is "
                                "not in the graph",
                                input.name, nodes_[index].id, to_json(*input.value.json())));
  }
  return added;
}

NodeIndex DynamicPrompt::insert(PromptNode node) {
  index_.emplace(node.id, nodes_.size());
  nodes_.push_back(std::move(node));
  return nodes_.size() - 1;
}

void DynamicPrompt::connect(PromptNode& node) {
  for (PromptInput& input : node.inputs) {
    if (node.type) input.definition = node.definition().find_input(input.name);
    const Json* json = input.value.json();
    if (!json || !graph::is_link(*json)) continue;
    input.is_link = true;
    input.source = find(json->as_array()[0].as_string());
    if (const auto link = graph::as_link(*json)) input.slot = link->slot;
  }
}

}  // namespace comfy::engine
