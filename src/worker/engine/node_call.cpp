// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/node_call.h"

#include "foundation/base/error.h"

#include <fmt/format.h>

#include <algorithm>

namespace comfy::engine {

namespace {

const Value kNull;

/// The values behind an input: of its source's slot, or the literal itself.
Argument resolve(const PromptInput& input, const FindOutputs& find) {
  Argument argument{
      .name = input.name, .given = true, .missing = false, .values = {&input.value, 1}};
  if (!input.is_link || input.raw_link()) return argument;
  const Outputs* outputs = input.source == kNoNode ? nullptr : find(input.source);
  if (outputs && input.slot < outputs->size()) {
    argument.values = (*outputs)[input.slot];
    return argument;
  }
  argument.values = {&kNull, 1};
  argument.missing = true;
  return argument;
}

bool is_token(const graph::InputDefinition& input) {
  return input.type == "PROMPT" || input.type == "DYNPROMPT" || input.type == "EXTRA_PNGINFO" ||
         input.type == "UNIQUE_ID" || input.type == "AUTH_TOKEN_COMFY_ORG" ||
         input.type == "API_KEY_COMFY_ORG";
}

/// Whether a value without a declared place of its own is passed on: any wire, and what a hidden
/// input of an ordinary type holds.
bool passes_as_extra(const PromptInput& input) {
  if (!input.definition) return input.is_link;
  return input.definition->category == graph::InputCategory::hidden && !is_token(*input.definition);
}

}  // namespace

std::size_t GatheredInputs::calls(const PromptNode& node) const {
  if (node.definition().is_input_list) return 1;
  std::size_t longest = 1;
  for (const auto* group : {&declared, &extra})
    for (const Argument& argument : *group)
      if (argument.given) longest = std::max(longest, argument.values.size());
  return longest;
}

Json GatheredInputs::describe() const {
  Json::Object shown;
  for (const auto* group : {&declared, &extra})
    for (const Argument& argument : *group) {
      if (!argument.given) continue;
      Json::Array values;
      for (const Value& value : argument.values) values.push_back(value.describe());
      shown[argument.name] = std::move(values);
    }
  return shown;
}

bool GatheredInputs::has(std::string_view name) const {
  for (const auto* group : {&declared, &extra})
    for (const Argument& argument : *group)
      if (argument.name == name) return argument.given && !argument.missing;
  return false;
}

GatheredInputs gather_inputs(const PromptNode& node, const FindOutputs& find) {
  GatheredInputs gathered;
  for (const graph::InputDefinition& input : node.definition().inputs) {
    if (input.category == graph::InputCategory::hidden) continue;
    const auto given = std::find_if(node.inputs.begin(), node.inputs.end(),
                                    [&](const PromptInput& had) { return had.name == input.name; });
    gathered.declared.push_back(given == node.inputs.end() ? Argument{.name = input.name}
                                                           : resolve(*given, find));
  }
  for (const PromptInput& input : node.inputs)
    if (passes_as_extra(input)) gathered.extra.push_back(resolve(input, find));
  return gathered;
}

GatheredInputs gather_literals(const PromptNode& node) {
  return gather_inputs(node, [](NodeIndex) -> const Outputs* { return nullptr; });
}

CallArguments::CallArguments(const PromptNode& node, const GatheredInputs& inputs,
                             std::size_t index)
    : declared_{inputs.declared}, extra_{inputs.extra} {
  if (node.definition().is_input_list) return;
  for (auto* group : {&declared_, &extra_})
    for (Argument& argument : *group) {
      if (!argument.given) continue;
      if (argument.values.empty())
        throw Error(Error::Kind::invalid_input,
                    fmt::format("expected at least one value for \"{}\", got an empty list",
                                argument.name));
      argument.values = argument.values.subspan(std::min(index, argument.values.size() - 1), 1);
    }
}

const Blocker* CallArguments::blocker() const {
  for (const auto* group : {&declared_, &extra_})
    for (const Argument& argument : *group)
      for (const Value& value : argument.values)
        if (const Blocker* blocker = value.blocker()) return blocker;
  return nullptr;
}

void check_by_validator(const PromptNode& node, const DynamicPrompt& prompt) {
  if (!node.type->validate) return;
  Json::Object types;
  for (const PromptInput& input : node.inputs) {
    if (!input.is_link || input.source == kNoNode) continue;
    const PromptNode& source = prompt[input.source];
    if (!source.type || input.slot >= source.definition().outputs.size()) continue;
    const graph::OutputDefinition& output = source.definition().outputs[input.slot];
    types[input.name] = output.choices.empty() ? Json{output.type} : Json{output.choices};
  }
  const GatheredInputs literals = gather_literals(node);
  node.type->validate(CallArguments{node, literals, 0}.get(), types);
}

Outputs merge_outputs(const PromptNode& node, const std::vector<Returned>& calls) {
  const auto& declared = node.definition().outputs;
  Outputs merged;
  for (const Returned& call : calls) {
    if (!call.block && call.slots.empty()) continue;
    merged.resize(declared.size());
    for (std::size_t slot = 0; slot < declared.size(); ++slot) {
      if (call.block)
        merged[slot].push_back(Value::of(*call.block));
      else if (slot < call.slots.size())
        merged[slot].insert(merged[slot].end(), call.slots[slot].begin(), call.slots[slot].end());
    }
  }
  return merged;
}

Json::Object merge_ui(const std::vector<Returned>& calls) {
  Json::Object merged;
  for (const Returned& call : calls) {
    if (call.ui.empty()) continue;
    if (merged.empty()) {
      merged = call.ui;
      continue;
    }
    for (auto& [name, items] : merged)
      if (const Json* more = call.ui.find(name))
        for (const Json& item : more->as_array()) items.push_back(item);
  }
  return merged;
}

}  // namespace comfy::engine
