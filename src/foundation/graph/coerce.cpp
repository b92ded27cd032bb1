// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/coerce.h"

#include "foundation/base/strings.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

namespace comfy::graph {

namespace {

constexpr double kTwo63 = 9223372036854775808.0;
constexpr double kTwo64 = 18446744073709551616.0;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The text without the underscores that Python allows between digits; nothing when one is
/// elsewhere.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      plain += text[i];
      continue;
    }
    const bool between =
        i > 0 && i + 1 < text.size() && is_digit(text[i - 1]) && is_digit(text[i + 1]);
    if (!between) return {};
  }
  return plain;
}

Json whole_number(double truncated) {
  if (truncated >= -kTwo63 && truncated < kTwo63) return static_cast<std::int64_t>(truncated);
  if (truncated >= 0 && truncated < kTwo64) return static_cast<std::uint64_t>(truncated);
  return truncated;
}

std::optional<Json> int_from_text(std::string_view text) {
  const std::optional<std::string> plain = without_underscores(trim(text));
  if (!plain || plain->empty()) return {};
  std::string_view digits = *plain;
  const bool negative = digits.front() == '-';
  if (negative || digits.front() == '+') digits.remove_prefix(1);
  if (digits.empty()) return {};
  for (const char c : digits)
    if (!is_digit(c)) return {};
  std::uint64_t magnitude = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), magnitude);
  if (error == std::errc::result_out_of_range) return Json{std::strtod(plain->c_str(), nullptr)};
  if (!negative) return Json{magnitude};
  if (magnitude > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) + 1)
    return Json{-static_cast<double>(magnitude)};
  return Json{static_cast<std::int64_t>(0 - magnitude)};
}

std::variant<Json, CoercionFailure> to_int(const Json& value) {
  if (value.is_integer()) return value;
  if (value.is_bool()) return Json{value.as_bool() ? 1 : 0};
  if (value.is_float()) {
    const double number = value.as_double();
    if (std::isnan(number)) return CoercionFailure{"cannot convert float NaN to integer"};
    if (std::isinf(number)) return CoercionFailure{"cannot convert float infinity to integer"};
    return whole_number(std::trunc(number));
  }
  if (value.is_string()) {
    if (std::optional<Json> number = int_from_text(value.as_string())) return *std::move(number);
    return CoercionFailure{"invalid literal for int() with base 10: " + python_repr(value)};
  }
  return CoercionFailure{
      fmt::format("int() argument must be a string, a bytes-like object or a real number, not '{}'",
                  python_type(value))};
}

std::optional<double> float_from_text(std::string_view text) {
  const std::optional<std::string> plain = without_underscores(trim(text));
  if (!plain || plain->empty()) return {};
  std::string word = lower(*plain);
  double sign = 1;
  if (word.front() == '-' || word.front() == '+') {
    sign = word.front() == '-' ? -1 : 1;
    word.erase(0, 1);
  }
  if (word == "inf" || word == "infinity") return sign * std::numeric_limits<double>::infinity();
  if (word == "nan") return std::numeric_limits<double>::quiet_NaN();
  // What is left must be digits, one point and one exponent; strtod alone would take hexadecimal.
  if (word.empty() || word.find_first_not_of("0123456789.e+-") != std::string::npos) return {};
  if (!is_digit(word.front()) && word.front() != '.') return {};
  char* end = nullptr;
  const double number = std::strtod(word.c_str(), &end);
  if (*end != '\0') return {};
  return sign * number;
}

std::variant<Json, CoercionFailure> to_float(const Json& value) {
  if (value.is_number()) return Json{value.as_double()};
  if (value.is_bool()) return Json{value.as_bool() ? 1.0 : 0.0};
  if (value.is_string()) {
    if (const std::optional<double> number = float_from_text(value.as_string()))
      return Json{*number};
    return CoercionFailure{"could not convert string to float: " + python_repr(value)};
  }
  return CoercionFailure{fmt::format("float() argument must be a string or a real number, not '{}'",
                                     python_type(value))};
}

long double exact(const Json& value) {
  if (value.is_bool()) return value.as_bool() ? 1.0L : 0.0L;
  if (value.is_float()) return value.as_double();
  // A 64-bit mantissa holds every integer of 64 bits, signed and unsigned.
  static_assert(std::numeric_limits<long double>::digits >= 64);
  const double rough = value.as_double();
  if (rough < 0) return static_cast<long double>(value.as_int());
  return static_cast<long double>(value.as_uint());
}

}  // namespace

std::variant<Json, CoercionFailure> coerce(const Json& value, std::string_view type) {
  if (type == "INT") return to_int(value);
  if (type == "FLOAT") return to_float(value);
  if (type == "STRING") {
    // Objects become JSON rather than Python's notation, so that a node can read them back.
    if (value.is_object() || value.is_array()) return Json{to_json(value)};
    return Json{python_str(value)};
  }
  if (type == "BOOLEAN") return Json{truthy(value)};
  return value;
}

std::string python_str(const Json& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_float()) {
    const double number = value.as_double();
    if (std::isfinite(number) && std::abs(number) >= kTwo63 && number == std::trunc(number))
      return fmt::format("{:.0f}", number);
  }
  return python_repr(value);
}

std::string_view python_type(const Json& value) {
  if (value.is_null()) return "NoneType";
  if (value.is_bool()) return "bool";
  if (value.is_integer()) return "int";
  if (value.is_float()) return "float";
  if (value.is_string()) return "str";
  return value.is_array() ? "list" : "dict";
}

bool truthy(const Json& value) {
  if (value.is_null()) return false;
  if (value.is_bool()) return value.as_bool();
  if (value.is_number()) return value.as_double() != 0;
  if (value.is_string()) return !value.as_string().empty();
  return value.is_array() ? !value.as_array().empty() : !value.as_object().empty();
}

std::partial_ordering compare_numbers(const Json& a, const Json& b) {
  const auto numeric = [](const Json& value) { return value.is_number() || value.is_bool(); };
  if (!numeric(a) || !numeric(b)) return std::partial_ordering::unordered;
  return exact(a) <=> exact(b);
}

bool python_equal(const Json& a, const Json& b) {
  if ((a.is_number() || a.is_bool()) && (b.is_number() || b.is_bool()))
    return compare_numbers(a, b) == std::partial_ordering::equivalent;
  return a == b;
}

}  // namespace comfy::graph
