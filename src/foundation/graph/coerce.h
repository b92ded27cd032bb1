// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

#include <compare>
#include <string>
#include <string_view>
#include <variant>

namespace comfy::graph {

/// Why a value could not be converted, in the words that clients know from Python.
struct CoercionFailure {
  std::string message;
};

/// A literal as the declared type wants it: INT, FLOAT, STRING and BOOLEAN convert like Python's
/// int, float, str and bool; every other type leaves it as it is. Whole numbers beyond 64 bits stay
/// floats.
std::variant<Json, CoercionFailure> coerce(const Json& value, std::string_view type);

/// A value as Python's str shows it: text bare, everything else as python_repr. Whole numbers
/// beyond 64 bits are written in digits.
std::string python_str(const Json& value);
/// The name of a value's type in Python, such as "NoneType".
std::string_view python_type(const Json& value);
/// Whether Python takes a value for true.
bool truthy(const Json& value);
/// Compares numbers and flags exactly; unordered for NaN and for anything else.
std::partial_ordering compare_numbers(const Json& a, const Json& b);
/// Equality as Python sees it, where 1, 1.0 and true are one.
bool python_equal(const Json& a, const Json& b);

}  // namespace comfy::graph
