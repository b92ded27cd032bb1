// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/graph/object_info.h"

#include <array>

namespace comfy::graph {

namespace {

InputDefinition read_input(const std::string& name, InputCategory category, const Json& shown) {
  InputDefinition input;
  input.name = name;
  input.category = category;
  if (shown.is_string()) {
    input.type = shown.as_string();
    input.bare = true;
    return input;
  }
  const Json::Array& parts = shown.as_array();
  if (parts.empty() || parts.size() > 2)
    throw Error(Error::Kind::invalid_input, "expected [type] or [type, options] for input \"" +
                                                name + "\", got " + to_json(shown));
  if (parts.size() == 2) input.options = parts[1].as_object();
  if (parts[0].is_array()) {
    input.type = "COMBO";
    input.combo = Combo::classic;
    input.choices = parts[0].as_array();
    return input;
  }
  input.type = parts[0].as_string();
  if (input.type != "COMBO") return input;
  input.combo = Combo::schema;
  if (input.options)
    if (Json* choices = input.options->find("options"); choices && choices->is_array()) {
      input.choices = choices->as_array();
      *choices = Json{};
    }
  return input;
}

void read_inputs(NodeDefinition& definition, const Json::Object& groups) {
  for (const auto& [group, inputs] : groups) {
    bool known = false;
    for (const InputCategory category :
         {InputCategory::required, InputCategory::optional, InputCategory::hidden}) {
      if (group != category_name(category)) continue;
      known = true;
      definition.categories.push_back(category);
      for (const auto& [name, shown] : inputs.as_object())
        definition.inputs.push_back(read_input(name, category, shown));
    }
    if (!known)
      throw Error(Error::Kind::invalid_input, "there is no group of inputs \"" + group + "\"");
  }
}

void read_outputs(NodeDefinition& definition, const Json& entry) {
  const Json::Array& types = entry.at("output").as_array();
  const Json::Array& lists = entry.at("output_is_list").as_array();
  const Json::Array& names = entry.at("output_name").as_array();
  const Json* tooltips = entry.find("output_tooltips");
  for (std::size_t i = 0; i < types.size(); ++i) {
    OutputDefinition output;
    if (types[i].is_array()) {
      output.type = "COMBO";
      output.choices = types[i].as_array();
    } else {
      output.type = types[i].as_string();
    }
    output.is_list = i < lists.size() && lists[i].as_bool();
    if (i < names.size() && names[i].is_string()) output.name = names[i].as_string();
    if (tooltips && i < tooltips->as_array().size() && tooltips->as_array()[i].is_string())
      output.tooltip = tooltips->as_array()[i].as_string();
    definition.outputs.push_back(std::move(output));
  }
  for (std::size_t i = types.size(); tooltips && i < tooltips->as_array().size(); ++i)
    definition.further_tooltips.push_back(tooltips->as_array()[i].as_string());
}

/// The newer form is recognised by where it writes its tooltips.
bool is_schema_style(const Json::Object& entry) {
  for (const auto& [key, value] : entry) {
    if (key == "output_tooltips") return true;
    if (key == "name") return false;
  }
  return false;
}

}  // namespace

NodeDefinition from_object_info(const Json& entry) {
  NodeDefinition definition;
  definition.id = entry.at("name").as_string();
  const Json* display = entry.find("display_name");
  if (display && display->is_string()) definition.display_name = display->as_string();
  definition.description = entry.string_or("description", "");
  definition.category = entry.string_or("category", "");
  definition.python_module = entry.string_or("python_module", "");
  definition.style = is_schema_style(entry.as_object()) ? Style::schema : Style::classic;
  read_inputs(definition, entry.at("input").as_object());
  read_outputs(definition, entry);
  definition.output_node = entry.bool_or("output_node", false);
  definition.deprecated = entry.bool_or("deprecated", false);
  definition.experimental = entry.bool_or("experimental", false);
  if (const Json* api = entry.find("api_node")) definition.api_node = api->as_bool();
  return definition;
}

Catalogue catalogue_from_object_info(const Json& answer) {
  Catalogue catalogue;
  for (const auto& [id, entry] : answer.as_object()) catalogue.add(from_object_info(entry));
  return catalogue;
}

}  // namespace comfy::graph
