// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "worker/engine/context.h"
#include "worker/engine/dynamic_prompt.h"

#include <string>
#include <unordered_map>

namespace comfy::engine {

/// What nodes keep between runs, by id and class, as long as their prompt node stays in the prompt.
class NodeStates {
 public:
  NodeState& of(const PromptNode& node);
  /// Drops the states of nodes that this prompt has no more, or has with another class.
  void begin_prompt(const DynamicPrompt& prompt);
  void clear() { states_.clear(); }

 private:
  struct Kept {
    NodeState state;
    std::string id, class_type, real_id;
  };
  std::unordered_map<std::string, Kept> states_;
};

}  // namespace comfy::engine
