// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/node.h"

#include "foundation/graph/coerce.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace comfy::engine {

namespace {

using graph::Combo;
using graph::InputCategory;
using graph::InputDefinition;
using graph::NodeDefinition;

/// Collects shown options in their order; nothing declared stays nothing shown.
class Shown {
 public:
  void add(const char* key, Json value) { options_[key] = std::move(value); }
  void add_text(const char* key, std::string_view text) {
    if (!text.empty()) options_[key] = text;
  }
  void add_flag(const char* key, bool set) {
    if (set) options_[key] = true;
  }
  template <class T>
  void add_given(const char* key, const std::optional<T>& value) {
    if (value) options_[key] = Json{*value};
  }
  void add_default(const std::optional<Json>& value, std::optional<bool> show, bool otherwise) {
    if (value && show.value_or(otherwise)) options_["default"] = *value;
  }
  /// What every kind of options ends with.
  template <class Options>
  InputDefinition finish(const Options& options, std::string_view type) {
    for (const auto& [key, value] : options.extra) options_[key] = value;
    add_text("tooltip", options.tooltip);
    InputDefinition input;
    input.type = type;
    if constexpr (requires { options.type; })
      if (!options.type.empty()) input.type = options.type;
    if (!options_.empty()) input.options = std::move(options_);
    return input;
  }

 private:
  Json::Object options_;
};

template <class Number>
InputDefinition describe_number(const Number& options, std::string_view type,
                                const std::optional<Json>& value) {
  Shown shown;
  shown.add_default(value, options.show_default, !options.force_input);
  shown.add_given("min", options.min);
  shown.add_given("max", options.max);
  shown.add_given("step", options.step);
  shown.add_given("round", options.round);
  shown.add_given("control_after_generate", options.control_after_generate);
  shown.add_text("display", options.display);
  shown.add_flag("forceInput", options.force_input);
  return shown.finish(options, type);
}

[[noreturn]] void contradiction(const NodeDefinition& definition, const std::string& text) {
  throw Error(Error::Kind::internal, fmt::format("node \"{}\": {}", definition.id, text));
}

void check_default(const NodeDefinition& definition, const InputDefinition& input) {
  const Json* value = input.option("default");
  if (!value) return;
  const auto outside = [&](const char* key, auto wrong) {
    const Json* limit = input.option(key);
    return limit && wrong(graph::compare_numbers(*value, *limit));
  };
  if (outside("min", [](auto order) { return order < 0; }) ||
      outside("max", [](auto order) { return order > 0; }))
    contradiction(definition, fmt::format("the default {} of \"{}\" is out of its range",
                                          to_json(*value), input.name));
  if (input.combo == Combo::none || input.files) return;
  if (std::find(input.choices.begin(), input.choices.end(), *value) == input.choices.end())
    contradiction(definition, fmt::format("the default {} of \"{}\" is none of its choices",
                                          to_json(*value), input.name));
}

/// The order in which the newer form writes its options, with what it adds.
void to_schema_style(InputDefinition& input) {
  Json::Object options;
  const Json::Object declared = input.options.value_or(Json::Object{});
  const auto move_up = [&](const char* key) {
    if (const Json* value = declared.find(key)) options[key] = *value;
  };
  move_up("tooltip");
  move_up("lazy");
  move_up("default");
  if (input.combo == Combo::classic) {
    input.combo = Combo::schema;
    options["multiselect"] = false;
    options["options"] = Json{};
  }
  for (const auto& [key, value] : declared)
    if (!options.contains(key)) options[key] = value;
  input.options = std::move(options);
}

void add_hidden(NodeDefinition& definition, const std::vector<Hidden>& hidden) {
  struct Token {
    const char* name;
    const char* type;
  };
  static constexpr Token kTokens[] = {{"prompt", "PROMPT"},
                                      {"dynprompt", "DYNPROMPT"},
                                      {"extra_pnginfo", "EXTRA_PNGINFO"},
                                      {"unique_id", "UNIQUE_ID"},
                                      {"auth_token_comfy_org", "AUTH_TOKEN_COMFY_ORG"},
                                      {"api_key_comfy_org", "API_KEY_COMFY_ORG"}};
  for (const Hidden token : hidden) {
    const Token& named = kTokens[static_cast<std::size_t>(token)];
    InputDefinition input;
    input.category = InputCategory::hidden;
    input.name = named.name;
    input.type = named.type;
    input.bare = definition.style == graph::Style::classic;
    definition.inputs.push_back(std::move(input));
  }
}

void order_categories(NodeDefinition& definition) {
  std::set<InputCategory> present{InputCategory::required};
  present.insert(definition.categories.begin(), definition.categories.end());
  for (const InputDefinition& input : definition.inputs) present.insert(input.category);
  definition.categories.assign(present.begin(), present.end());
}

}  // namespace

void Ui::add(std::string_view name, Json item) {
  Json& items = entries[name];
  if (items.is_null()) items = Json::Array{};
  items.push_back(std::move(item));
}

void throw_wrong_type(std::string_view expected, const Value& got) {
  const Json shown = got.describe();
  throw Error(Error::Kind::invalid_input,
              fmt::format("expected {}, got {}", expected,
                          shown.is_null() ? "nothing" : graph::python_str(shown)));
}

void throw_missing() { throw Error(Error::Kind::invalid_input, "expected a value, got nothing"); }

InputDefinition describe(const SocketOptions& options, std::string_view type) {
  Shown shown;
  shown.add_flag("forceInput", options.force_input);
  InputDefinition input = shown.finish(options, type);
  if (options.show_empty && !input.options) input.options.emplace();
  return input;
}

InputDefinition describe(const NumberOptions<double>& options, std::string_view type,
                         const std::optional<Json>& value) {
  return describe_number(options, type, value);
}

template <std::integral T>
InputDefinition describe(const NumberOptions<T>& options, std::string_view type,
                         const std::optional<Json>& value) {
  return describe_number(options, type, value);
}
template InputDefinition describe(const NumberOptions<int>&, std::string_view,
                                  const std::optional<Json>&);
template InputDefinition describe(const NumberOptions<std::int64_t>&, std::string_view,
                                  const std::optional<Json>&);
template InputDefinition describe(const NumberOptions<std::uint64_t>&, std::string_view,
                                  const std::optional<Json>&);

InputDefinition describe(const StringOptions& options, std::string_view type,
                         const std::optional<Json>& value) {
  const bool has_text = value && !value->as_string().empty();
  Shown shown;
  shown.add_default(value, options.show_default, has_text && !options.force_input);
  shown.add_given("multiline", options.multiline);
  shown.add_text("placeholder", options.placeholder);
  shown.add_given("dynamicPrompts", options.dynamic_prompts);
  shown.add_flag("forceInput", options.force_input);
  if (options.new_combo) shown.add("options", Json{});
  InputDefinition input = shown.finish(options, type);
  if (!options.choices.set()) return input;
  input.type = "COMBO";
  input.combo = options.new_combo ? Combo::schema : Combo::classic;
  input.choices.assign(options.choices.names().begin(), options.choices.names().end());
  return input;
}

InputDefinition describe(const BooleanOptions& options, std::string_view type,
                         const std::optional<Json>& value) {
  Shown shown;
  shown.add_default(value, options.show_default, !options.force_input);
  shown.add_text("label_on", options.label_on);
  shown.add_text("label_off", options.label_off);
  shown.add_flag("forceInput", options.force_input);
  return shown.finish(options, type);
}

InputDefinition describe(const FileOptions& options, std::string_view type,
                         const std::optional<Json>& value) {
  Shown shown;
  shown.add_default(value, options.show_default, value && !value->as_string().empty());
  shown.add_flag("image_upload", options.image_upload);
  shown.add_flag("audio_upload", options.audio_upload);
  shown.add_flag("video_upload", options.video_upload);
  shown.add_flag("file_upload", options.file_upload);
  InputDefinition input = shown.finish(options, type);
  input.combo = Combo::classic;
  input.files = graph::FileMark{.first = options.first, .last = options.last};
  return input;
}

void finish_definition(NodeDefinition& definition, const std::vector<Hidden>& hidden,
                       bool has_list_members) {
  if (!definition.display_name && definition.style == graph::Style::classic)
    definition.display_name = definition.id;
  if (has_list_members && !definition.is_input_list)
    contradiction(definition, "std::vector inputs need .takes_lists()");
  std::set<std::pair<InputCategory, std::string>> names;
  for (InputDefinition& input : definition.inputs) {
    if (!names.emplace(input.category, input.name).second)
      contradiction(definition, fmt::format("input \"{}\" is declared twice", input.name));
    check_default(definition, input);
    if (definition.style == graph::Style::schema) to_schema_style(input);
  }
  add_hidden(definition, hidden);
  order_categories(definition);
}

}  // namespace comfy::engine
