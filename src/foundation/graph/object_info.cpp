// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/object_info.h"

#include <algorithm>
#include <utility>

namespace comfy::graph {

namespace {

Json inputs_json(const NodeDefinition& definition, const FileChoices& files) {
  Json::Object shown;
  for (const InputCategory category : definition.categories) {
    Json::Object& group = (shown[category_name(category)] = Json::Object{}).as_object();
    for (const InputDefinition& input : definition.inputs)
      if (input.category == category) group[input.name] = input_config(input, files, Pad::no);
  }
  return shown;
}

Json input_order(const NodeDefinition& definition) {
  Json::Object shown;
  for (const InputCategory category : definition.categories) {
    Json::Array& names = (shown[category_name(category)] = Json::Array{}).as_array();
    for (const InputDefinition& input : definition.inputs)
      if (input.category == category) names.emplace_back(input.name);
  }
  return shown;
}

template <class Read>
Json per_output(const NodeDefinition& definition, Read read) {
  Json::Array shown;
  for (const OutputDefinition& output : definition.outputs) shown.push_back(read(output));
  return shown;
}

Json tooltips(const NodeDefinition& definition) {
  Json shown = per_output(definition, [](const OutputDefinition& output) {
    return output.tooltip ? Json{*output.tooltip} : Json{};
  });
  for (const std::string& tooltip : definition.further_tooltips) shown.push_back(tooltip);
  return shown;
}

}  // namespace

Json input_config(const InputDefinition& input, const FileChoices& files, Pad pad) {
  if (input.bare) return input.type;
  Json::Array shown;
  if (input.combo == Combo::classic)
    shown.emplace_back(current_choices(input, files));
  else
    shown.emplace_back(input.type);
  if (input.options) {
    Json::Object options = *input.options;
    if (input.combo == Combo::schema)
      if (Json* place = options.find("options"); place && place->is_null())
        *place = current_choices(input, files);
    shown.emplace_back(std::move(options));
  } else if (pad == Pad::yes) {
    shown.emplace_back(Json::Object{});
  }
  return shown;
}

Json object_info(const NodeDefinition& definition, const FileChoices& files) {
  const bool schema = definition.style == Style::schema;
  const auto& outputs = definition.outputs;
  const bool has_tooltips = std::any_of(outputs.begin(), outputs.end(),
                                        [](const auto& output) { return output.tooltip; });
  Json::Object info;
  info["input"] = inputs_json(definition, files);
  info["input_order"] = input_order(definition);
  info["output"] = per_output(definition, [](const OutputDefinition& output) {
    return output.choices.empty() ? Json{output.type} : Json{output.choices};
  });
  info["output_is_list"] =
      per_output(definition, [](const auto& output) { return output.is_list; });
  info["output_name"] = per_output(definition, [](const OutputDefinition& output) {
    return output.choices.empty() || !output.name.empty() ? Json{output.name}
                                                          : Json{output.choices};
  });
  if (schema) info["output_tooltips"] = tooltips(definition);
  info["name"] = definition.id;
  info["display_name"] = definition.display_name ? Json{*definition.display_name} : Json{};
  info["description"] = definition.description;
  info["python_module"] = definition.python_module;
  info["category"] = definition.category;
  info["output_node"] = definition.output_node;
  if (!schema && has_tooltips) info["output_tooltips"] = tooltips(definition);
  if (schema || definition.deprecated) info["deprecated"] = definition.deprecated;
  if (schema || definition.experimental) info["experimental"] = definition.experimental;
  if (schema || definition.api_node) info["api_node"] = definition.api_node.value_or(false);
  return info;
}

Json object_info(const Catalogue& catalogue, const FileChoices& files) {
  Json::Object answer;
  for (const NodeDefinition& definition : catalogue)
    answer[definition.id] = object_info(definition, files);
  return answer;
}

}  // namespace comfy::graph
