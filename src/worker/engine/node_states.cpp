// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/node_states.h"

namespace comfy::engine {

NodeState& NodeStates::of(const PromptNode& node) {
  const auto [found, is_new] = states_.try_emplace(node.id + '\0' + node.class_type);
  if (is_new) {
    found->second.id = node.id;
    found->second.class_type = node.class_type;
    found->second.real_id = node.real_id;
  }
  return found->second.state;
}

void NodeStates::begin_prompt(const DynamicPrompt& prompt) {
  std::erase_if(states_, [&](const auto& entry) {
    const Kept& kept = entry.second;
    const NodeIndex real = prompt.find(kept.real_id);
    if (real == kNoNode) return true;
    return kept.id == kept.real_id && prompt[real].class_type != kept.class_type;
  });
}

}  // namespace comfy::engine
