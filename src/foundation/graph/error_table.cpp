// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/error_table.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace comfy::graph {

namespace {

struct Row {
  Problem problem;
  std::string_view type, message;
};

// Types and messages are ComfyUI's: clients compare and show them.
constexpr std::array kTable{
    Row{Problem::no_prompt, "no_prompt", "No prompt provided"},
    Row{Problem::invalid_prompt, "invalid_prompt",
        "Cannot execute because a node is missing the class_type property."},
    Row{Problem::prompt_no_outputs, "prompt_no_outputs", "Prompt has no outputs"},
    Row{Problem::prompt_outputs_failed_validation, "prompt_outputs_failed_validation",
        "Prompt outputs failed validation"},
    Row{Problem::required_input_missing, "required_input_missing", "Required input is missing"},
    Row{Problem::bad_linked_input, "bad_linked_input",
        "Bad linked input, must be a length-2 list of [node_id, slot_index]"},
    Row{Problem::return_type_mismatch, "return_type_mismatch",
        "Return type mismatch between linked nodes"},
    Row{Problem::invalid_input_type, "invalid_input_type",
        "Failed to convert an input value to a {} value"},
    Row{Problem::value_smaller_than_min, "value_smaller_than_min",
        "Value {} smaller than min of {}"},
    Row{Problem::value_bigger_than_max, "value_bigger_than_max", "Value {} bigger than max of {}"},
    Row{Problem::value_not_in_list, "value_not_in_list", "Value not in list"},
    Row{Problem::custom_validation_failed, "custom_validation_failed",
        "Custom validation failed for node"},
    Row{Problem::exception_during_inner_validation, "exception_during_inner_validation",
        "Exception when validating inner node"},
    Row{Problem::exception_during_validation, "exception_during_validation",
        "Exception when validating node"},
    Row{Problem::dependency_cycle, "dependency_cycle", "Dependency cycle detected"},
};

constexpr const Row& row(Problem problem) { return kTable[static_cast<std::size_t>(problem)]; }

constexpr bool in_order() {
  for (std::size_t i = 0; i < kTable.size(); ++i)
    if (kTable[i].problem != static_cast<Problem>(i)) return false;
  return true;
}
static_assert(in_order(), "the table must follow the order of Problem");

}  // namespace

std::string_view problem_type(Problem problem) { return row(problem).type; }

std::string problem_message(Problem problem, std::string_view first, std::string_view second) {
  return fmt::vformat(row(problem).message, fmt::make_format_args(first, second));
}

Json problem_with_message(Problem problem, std::string message, std::string details,
                          Json::Object extra_info) {
  return Json::Object{{"type", problem_type(problem)},
                      {"message", std::move(message)},
                      {"details", std::move(details)},
                      {"extra_info", std::move(extra_info)}};
}

Json problem_json(Problem problem, std::string details, Json::Object extra_info) {
  return problem_with_message(problem, std::string{row(problem).message}, std::move(details),
                              std::move(extra_info));
}

}  // namespace comfy::graph
