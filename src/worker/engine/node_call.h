// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "worker/engine/dynamic_prompt.h"
#include "worker/engine/node_type.h"
#include "worker/engine/result_cache.h"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace comfy::engine {

/// All arguments of a node, each with its whole list of values, as Arguments lines them up.
struct GatheredInputs {
  std::vector<Argument> declared, extra;

  /// How many calls a node makes of them: as many as the longest list has values, at least one.
  std::size_t calls(const PromptNode& node) const;
  /// {"input": [values as text for people, ..]}.
  Json describe() const;
  /// Whether an input is there with a value of its own.
  bool has(std::string_view name) const;
};

/// Finds the outputs of a source; nothing when they are not there.
using FindOutputs = std::function<const Outputs*(NodeIndex)>;

/// Gathers a node's arguments. Values stay where they are: in the prompt and in the cache.
GatheredInputs gather_inputs(const PromptNode& node, const FindOutputs& find);
/// The same with literals only, as change probes see them.
GatheredInputs gather_literals(const PromptNode& node);

/// The arguments of one call, cut out of the lists: element `index` or the last one.
class CallArguments {
 public:
  CallArguments(const PromptNode& node, const GatheredInputs& inputs, std::size_t index);
  Arguments get() const { return {declared_, extra_}; }
  /// A blocker among the values, which keeps the call from being made.
  const Blocker* blocker() const;

 private:
  std::vector<Argument> declared_, extra_;
};

/// Asks the node's own validator, for workers whose server could not: throws Error(invalid_input)
/// with its complaint. Nodes without one pass.
void check_by_validator(const PromptNode& node, const DynamicPrompt& prompt);

/// Joins what the calls of a node returned: for every slot all its values. A call that was blocked
/// counts as one blocker in each slot.
Outputs merge_outputs(const PromptNode& node, const std::vector<Returned>& calls);
/// Joins what they show: for every name of the first one, the items of all.
Json::Object merge_ui(const std::vector<Returned>& calls);

}  // namespace comfy::engine
