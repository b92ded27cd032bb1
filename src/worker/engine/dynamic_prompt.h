// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/graph/prompt.h"
#include "worker/engine/expansion.h"
#include "worker/engine/registry.h"

#include <cstddef>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace comfy::engine {

/// A node's place in a DynamicPrompt.
using NodeIndex = std::size_t;
inline constexpr NodeIndex kNoNode = std::numeric_limits<std::size_t>::max();
inline constexpr std::size_t kNoSlot = std::numeric_limits<std::size_t>::max();

/// One input as the prompt has it: a wire or a value.
struct PromptInput {
  std::string name = {};
  const graph::InputDefinition* definition = nullptr;  ///< nothing when it is not declared
  bool is_link = false;
  NodeIndex source = kNoNode;  ///< of a wire; kNoNode when its node does not exist
  std::size_t slot = kNoSlot;  ///< kNoSlot when the slot is no whole number from 0 up
  Value value = {};            ///< the literal, or the wire as Json
  bool lazy() const { return definition && definition->lazy(); }
  bool raw_link() const { return definition && definition->raw_link(); }
};

struct PromptNode {
  std::string id;
  std::string class_type;
  const NodeType* type = nullptr;  ///< nothing when this worker does not know the class
  std::vector<PromptInput> inputs;
  std::string display_id;            ///< the node that the user sees it as
  NodeIndex parent = kNoNode;        ///< the node whose expansion made it
  std::string real_id;               ///< its outermost ancestor, a node of the prompt
  const Json* is_changed = nullptr;  ///< a change value that came with the prompt

  const graph::NodeDefinition& definition() const { return type->definition; }
};

/// The prompt and what expansion adds to it while it runs. Indices stay valid.
class DynamicPrompt {
 public:
  /// `prompt` must outlive this.
  DynamicPrompt(const Json& prompt, const Registry& registry);

  std::size_t size() const { return nodes_.size(); }
  /// How many nodes the prompt itself has; they come first.
  std::size_t original_size() const { return original_size_; }
  const PromptNode& operator[](NodeIndex index) const { return nodes_[index]; }
  NodeIndex find(std::string_view id) const;

  /// Adds the nodes that `parent` expands to and returns their indices, in order. Throws
  /// Error(invalid_prompt) when an id is taken, a class unknown, or a wire leads nowhere.
  std::vector<NodeIndex> add(const std::vector<ExpandedNode>& nodes, NodeIndex parent);

 private:
  NodeIndex insert(PromptNode node);
  void connect(PromptNode& node);

  const Registry& registry_;
  std::deque<PromptNode> nodes_;
  std::unordered_map<std::string, NodeIndex> index_;
  std::size_t original_size_ = 0;
};

}  // namespace comfy::engine
