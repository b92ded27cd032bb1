// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/graph/file_choices.h"

#include <optional>
#include <string>
#include <variant>

namespace comfy::graph {

/// What checking a value came upon that ends the validation of its node, as an exception would.
struct CheckFailure {
  std::string type;  ///< the exception's name that clients know from Python
  std::string text;
};

/// Which of the built-in checks apply: a node's own validator may replace ranges and choices.
enum class LiteralChecks { all, conversion };

/// Converts a literal to its declared type and checks its range and choices. Gives the error of the
/// node, nothing when all is well, or a failure. `value` is replaced by the converted one.
std::variant<std::monostate, Json, CheckFailure> check_literal(const InputDefinition& input,
                                                               Json& value,
                                                               const FileChoices& files,
                                                               LiteralChecks checks);

/// Checks that a file input names a file that exists. `value` is null for a link.
std::variant<std::monostate, Json, CheckFailure> check_file(const InputDefinition& input,
                                                            const Json* value,
                                                            const FileChoices& files);
/// Whether check_file, not the list of choices, decides about an input.
bool is_checked_as_file(const InputDefinition& input);

}  // namespace comfy::graph
