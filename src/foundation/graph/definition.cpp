// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/definition.h"

#include "foundation/base/error.h"

#include <algorithm>
#include <array>
#include <utility>

namespace comfy::graph {

namespace {

constexpr std::array kCategories{"required", "optional", "hidden"};
constexpr std::array kCombos{"none", "classic", "schema"};
constexpr std::array kStyles{"classic", "schema"};

template <class Enum, std::size_t N>
Enum read_enum(const Json& json, std::string_view key, const std::array<const char*, N>& names) {
  const std::string& text = json.at(key).as_string();
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end())
    throw Error(Error::Kind::invalid_input, std::string(key) + " has no value \"" + text + "\"");
  return static_cast<Enum>(found - names.begin());
}

std::vector<std::string> read_strings(const Json& json) {
  std::vector<std::string> strings;
  for (const Json& item : json.as_array()) strings.push_back(item.as_string());
  return strings;
}

/// Writes what differs from the default and leaves out the rest.
class Writer {
 public:
  void text(const char* key, const std::string& value) {
    if (!value.empty()) object_[key] = value;
  }
  void flag(const char* key, bool value) {
    if (value) object_[key] = true;
  }
  void value(const char* key, Json value) { object_[key] = std::move(value); }
  void array(const char* key, Json::Array items) {
    if (!items.empty()) object_[key] = std::move(items);
  }
  Json take() { return std::move(object_); }

 private:
  Json::Object object_;
};

Json::Array strings_json(const std::vector<std::string>& strings) {
  return {strings.begin(), strings.end()};
}

Json mark_json(const FileMark& mark) {
  Writer writer;
  writer.array("folders", strings_json(mark.model_folders));
  writer.text("input", mark.input_kind);
  writer.array("first", strings_json(mark.first));
  writer.array("last", strings_json(mark.last));
  return writer.take();
}

FileMark mark_from(const Json& json) {
  FileMark mark;
  mark.input_kind = json.string_or("input", "");
  if (const Json* names = json.find("folders")) mark.model_folders = read_strings(*names);
  if (const Json* names = json.find("first")) mark.first = read_strings(*names);
  if (const Json* names = json.find("last")) mark.last = read_strings(*names);
  return mark;
}

Json input_json(const InputDefinition& input) {
  Writer writer;
  writer.value("name", input.name);
  writer.value("category", category_name(input.category));
  writer.value("type", input.type);
  if (input.combo != Combo::none)
    writer.value("combo", kCombos[static_cast<std::size_t>(input.combo)]);
  writer.array("choices", input.choices);
  if (input.files) writer.value("files", mark_json(*input.files));
  if (input.options) writer.value("options", *input.options);
  writer.flag("bare", input.bare);
  return writer.take();
}

InputDefinition input_from(const Json& json) {
  InputDefinition input;
  input.name = json.at("name").as_string();
  input.category = read_enum<InputCategory>(json, "category", kCategories);
  input.type = json.at("type").as_string();
  if (json.find("combo")) input.combo = read_enum<Combo>(json, "combo", kCombos);
  if (const Json* choices = json.find("choices")) input.choices = choices->as_array();
  if (const Json* mark = json.find("files")) input.files = mark_from(*mark);
  if (const Json* options = json.find("options")) input.options = options->as_object();
  input.bare = json.bool_or("bare", false);
  return input;
}

Json output_json(const OutputDefinition& output) {
  Writer writer;
  writer.value("type", output.type);
  writer.value("name", output.name);
  writer.flag("is_list", output.is_list);
  if (output.tooltip) writer.value("tooltip", *output.tooltip);
  writer.array("choices", output.choices);
  return writer.take();
}

OutputDefinition output_from(const Json& json) {
  OutputDefinition output;
  output.type = json.at("type").as_string();
  output.name = json.at("name").as_string();
  output.is_list = json.bool_or("is_list", false);
  if (const Json* tooltip = json.find("tooltip")) output.tooltip = tooltip->as_string();
  if (const Json* choices = json.find("choices")) output.choices = choices->as_array();
  return output;
}

struct Flag {
  const char* key;
  bool NodeDefinition::* member;
};
constexpr std::array kFlags{
    Flag{"output_node", &NodeDefinition::output_node},
    Flag{"deprecated", &NodeDefinition::deprecated},
    Flag{"experimental", &NodeDefinition::experimental},
    Flag{"is_input_list", &NodeDefinition::is_input_list},
    Flag{"has_lazy_probe", &NodeDefinition::has_lazy_probe},
    Flag{"has_change_probe", &NodeDefinition::has_change_probe},
    Flag{"has_validator", &NodeDefinition::has_validator},
    Flag{"validator_sees_types", &NodeDefinition::validator_sees_types},
    Flag{"never_shared", &NodeDefinition::never_shared},
    Flag{"is_async", &NodeDefinition::is_async},
};

}  // namespace

const char* category_name(InputCategory category) {
  return kCategories[static_cast<std::size_t>(category)];
}

const InputDefinition* NodeDefinition::find_input(std::string_view name) const {
  const InputDefinition* best = nullptr;
  for (const InputDefinition& input : inputs)
    if (input.name == name && (!best || input.category < best->category)) best = &input;
  return best;
}

bool NodeDefinition::id_matters() const {
  return never_shared || std::any_of(inputs.begin(), inputs.end(), [](const auto& input) {
           return input.category == InputCategory::hidden && input.type == "UNIQUE_ID";
         });
}

Json to_json(const NodeDefinition& definition) {
  Writer writer;
  writer.value("id", definition.id);
  if (definition.display_name) writer.value("display_name", *definition.display_name);
  writer.text("description", definition.description);
  writer.value("category", definition.category);
  writer.value("python_module", definition.python_module);
  writer.value("style", kStyles[static_cast<std::size_t>(definition.style)]);
  Json::Array categories, inputs, outputs;
  for (const InputCategory category : definition.categories)
    categories.emplace_back(category_name(category));
  for (const InputDefinition& input : definition.inputs) inputs.push_back(input_json(input));
  for (const OutputDefinition& output : definition.outputs) outputs.push_back(output_json(output));
  writer.value("categories", std::move(categories));
  writer.value("inputs", std::move(inputs));
  writer.value("outputs", std::move(outputs));
  for (const Flag& flag : kFlags) writer.flag(flag.key, definition.*flag.member);
  if (definition.api_node) writer.value("api_node", *definition.api_node);
  writer.array("further_tooltips", strings_json(definition.further_tooltips));
  writer.array("validator_inputs", strings_json(definition.validator_inputs));
  return writer.take();
}

NodeDefinition definition_from_json(const Json& json) {
  NodeDefinition definition;
  definition.id = json.at("id").as_string();
  if (const Json* name = json.find("display_name")) definition.display_name = name->as_string();
  definition.description = json.string_or("description", "");
  definition.category = json.at("category").as_string();
  definition.python_module = json.at("python_module").as_string();
  definition.style = read_enum<Style>(json, "style", kStyles);
  for (const Json& category : json.at("categories").as_array())
    definition.categories.push_back(
        read_enum<InputCategory>(Json::Object{{"category", category}}, "category", kCategories));
  for (const Json& input : json.at("inputs").as_array())
    definition.inputs.push_back(input_from(input));
  for (const Json& output : json.at("outputs").as_array())
    definition.outputs.push_back(output_from(output));
  for (const Flag& flag : kFlags) definition.*flag.member = json.bool_or(flag.key, false);
  if (const Json* api = json.find("api_node")) definition.api_node = api->as_bool();
  if (const Json* tips = json.find("further_tooltips"))
    definition.further_tooltips = read_strings(*tips);
  if (const Json* names = json.find("validator_inputs"))
    definition.validator_inputs = read_strings(*names);
  return definition;
}

}  // namespace comfy::graph
