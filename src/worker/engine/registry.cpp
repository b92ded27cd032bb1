// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/registry.h"

#include <utility>

namespace comfy::engine {

void Registry::add(NodeType type) {
  if (!module_.empty()) type.definition.python_module = module_;
  catalogue_.add(type.definition);
  const std::string id = type.definition.id;
  types_.emplace(id, std::make_unique<const NodeType>(std::move(type)));
}

std::vector<std::string> Registry::absorb(Registry&& other) {
  std::vector<std::string> taken;
  for (const graph::NodeDefinition& definition : other.catalogue_) {
    if (find(definition.id)) {
      taken.push_back(definition.id);
      continue;
    }
    catalogue_.add(definition);
    types_.emplace(definition.id, std::move(other.types_.at(definition.id)));
  }
  return taken;
}

const NodeType* Registry::find(std::string_view id) const {
  const auto found = types_.find(std::string(id));
  return found == types_.end() ? nullptr : found->second.get();
}

graph::Validator validator_of(const Registry& registry) {
  return [&registry](const graph::ValidatorCall& call) -> std::optional<std::string> {
    const NodeType* type = registry.find(call.definition.id);
    if (!type || !type->validate) return {};
    std::vector<Value> values;
    std::vector<Argument> arguments;
    values.reserve(type->definition.inputs.size());
    for (const graph::InputDefinition& input : type->definition.inputs) {
      if (input.category == graph::InputCategory::hidden) continue;
      const Json* literal = call.literals.find(input.name);
      values.emplace_back(literal ? *literal : Json{});
      arguments.push_back({.name = input.name,
                           .given = literal != nullptr,
                           .missing = false,
                           .values = {&values.back(), 1}});
    }
    try {
      type->validate({.declared = arguments, .extra = {}}, call.received_types);
    } catch (const Error& error) {
      if (error.kind != Error::Kind::invalid_input) throw;
      return error.message;
    }
    return {};
  };
}

}  // namespace comfy::engine
