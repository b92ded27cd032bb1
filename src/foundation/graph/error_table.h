// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

#include <string>
#include <string_view>

namespace comfy::graph {

/// Everything that can be wrong with a prompt, by its type on the wire.
enum class Problem {
  // of the whole prompt
  no_prompt,
  invalid_prompt,
  prompt_no_outputs,
  prompt_outputs_failed_validation,
  // of one node
  required_input_missing,
  bad_linked_input,
  return_type_mismatch,
  invalid_input_type,
  value_smaller_than_min,
  value_bigger_than_max,
  value_not_in_list,
  custom_validation_failed,
  exception_during_inner_validation,
  exception_during_validation,
  dependency_cycle
};

/// The type string of a problem, for instance "value_not_in_list".
std::string_view problem_type(Problem problem);
/// Its message. Those that hold values are templates of fmt, filled by `arguments` in order.
std::string problem_message(Problem problem, std::string_view first = {},
                            std::string_view second = {});

/// {"type", "message", "details", "extra_info"}.
Json problem_json(Problem problem, std::string details = {}, Json::Object extra_info = {});
/// The same with another message than the table's.
Json problem_with_message(Problem problem, std::string message, std::string details,
                          Json::Object extra_info = {});

}  // namespace comfy::graph
