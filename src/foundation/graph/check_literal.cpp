// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/check_literal.h"

#include "foundation/graph/coerce.h"
#include "foundation/graph/error_table.h"
#include "foundation/graph/object_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace comfy::graph {

namespace {

using Checked = std::variant<std::monostate, Json, CheckFailure>;

constexpr std::size_t kListedChoices = 20;

Json::Object about(const InputDefinition& input, const Json& value, const FileChoices& files) {
  return {{"input_name", input.name},
          {"input_config", input_config(input, files, Pad::yes)},
          {"received_value", value}};
}

/// `outside` tells which order of value and limit is wrong.
Checked check_limit(const InputDefinition& input, const Json& value, const char* key,
                    const FileChoices& files) {
  const Json* limit = input.option(key);
  if (!limit || limit->is_null()) return {};
  const bool is_min = std::string_view{key} == "min";
  const std::partial_ordering order = compare_numbers(value, *limit);
  const bool is_nan = value.is_float() && std::isnan(value.as_double());
  if (order == std::partial_ordering::unordered && !is_nan)
    return CheckFailure{"TypeError",
                        fmt::format("'{}' not supported between instances of '{}' and '{}'",
                                    is_min ? "<" : ">", python_type(value), python_type(*limit))};
  // A NaN lies in no range.
  const bool outside = is_nan || (is_min ? order < 0 : order > 0);
  if (!outside) return {};
  const Problem problem = is_min ? Problem::value_smaller_than_min : Problem::value_bigger_than_max;
  return problem_with_message(problem,
                              problem_message(problem, python_str(value), python_str(*limit)),
                              input.name, about(input, value, files));
}

Checked check_choice(const InputDefinition& input, const Json& value, const FileChoices& files) {
  // A schema combo is not checked: its choices may be filled in by the page.
  if (input.combo != Combo::classic) return {};
  const Json::Array choices = current_choices(input, files);
  if (std::any_of(choices.begin(), choices.end(),
                  [&](const Json& choice) { return python_equal(choice, value); }))
    return {};
  Json::Object extra = about(input, value, files);
  std::string list = python_repr(choices);
  if (choices.size() > kListedChoices) {
    list = fmt::format("(list of length {})", choices.size());
    extra["input_config"] = Json{};
  }
  return problem_json(Problem::value_not_in_list,
                      fmt::format("{}: '{}' not in {}", input.name, python_str(value), list),
                      std::move(extra));
}

/// How a kind of input files is called in a message.
std::string_view file_noun(const std::string& kind) {
  if (kind.starts_with("audio")) return "audio";
  if (kind == "video" || kind == "latent") return kind == "video" ? "video" : "latent";
  return "image";
}

}  // namespace

Checked check_literal(const InputDefinition& input, Json& value, const FileChoices& files,
                      LiteralChecks checks) {
  const Json received = value;
  auto converted = coerce(value, input.type);
  if (const auto* failure = std::get_if<CoercionFailure>(&converted)) {
    Json::Object extra = about(input, received, files);
    extra["exception_message"] = failure->message;
    return problem_with_message(
        Problem::invalid_input_type, problem_message(Problem::invalid_input_type, input.type),
        fmt::format("{}, {}, {}", input.name, python_str(received), failure->message),
        std::move(extra));
  }
  value = std::get<Json>(std::move(converted));
  if (checks == LiteralChecks::conversion) return {};
  for (const char* limit : {"min", "max"}) {
    Checked checked = check_limit(input, value, limit, files);
    if (!std::holds_alternative<std::monostate>(checked)) return checked;
  }
  return is_checked_as_file(input) ? Checked{} : check_choice(input, value, files);
}

bool is_checked_as_file(const InputDefinition& input) {
  if (!input.files) return false;
  const std::string& kind = input.files->input_kind;
  return !kind.empty() && kind != "folders" && kind != "3d";
}

Checked check_file(const InputDefinition& input, const Json* value, const FileChoices& files) {
  if (!value || !value->is_string())
    return CheckFailure{"TypeError",
                        fmt::format("{} must be the name of a file, got {}", input.name,
                                    value ? std::string{value->type_name()} : "a link")};
  if (!files.input_exists || files.input_exists(value->as_string())) return {};
  const std::string_view noun = input.files ? file_noun(input.files->input_kind) : "image";
  return problem_json(Problem::custom_validation_failed,
                      fmt::format("{} - Invalid {} file: {}", input.name, noun, value->as_string()),
                      {{"input_name", input.name}});
}

}  // namespace comfy::graph
