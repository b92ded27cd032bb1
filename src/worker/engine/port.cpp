// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/port.h"

#include "foundation/base/error.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace comfy::engine {

namespace {

[[noreturn]] void wrong(std::string_view expected, const Json& found) {
  throw Error(Error::Kind::invalid_input,
              fmt::format("expected {}, got {}", expected,
                          found.is_null() ? "nothing" : python_repr(found)));
}

}  // namespace

std::int64_t int_from_json(const Json& json, std::int64_t low, std::int64_t high) {
  if (json.is_bool()) return json.as_bool() ? 1 : 0;
  if (!json.is_number() || (json.is_float() && !std::isfinite(json.as_double())))
    wrong("an INT", json);
  const double rough = json.as_double();
  const bool fits = json.is_integer() ? rough < 9.3e18 : std::abs(rough) < 9.2e18;
  if (fits &&
      !(json.is_integer() && rough > 0 &&
        json.as_uint() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))) {
    const std::int64_t value = json.is_float() ? static_cast<std::int64_t>(rough) : json.as_int();
    if (value >= low && value <= high) return value;
  }
  wrong(fmt::format("an INT in [{}, {}]", low, high), json);
}

std::uint64_t seed_from_json(const Json& json) {
  if (json.is_bool()) return json.as_bool() ? 1 : 0;
  if (!json.is_number()) wrong("an INT", json);
  const double rough = json.as_double();
  if (!(rough >= 0) || (json.is_float() && rough >= 18446744073709551616.0))
    wrong("an INT in [0, 18446744073709551615]", json);
  return json.is_float() ? static_cast<std::uint64_t>(rough) : json.as_uint();
}

double float_from_json(const Json& json) {
  if (json.is_bool()) return json.as_bool() ? 1.0 : 0.0;
  if (!json.is_number()) wrong("a FLOAT", json);
  return json.as_double();
}

std::string string_from_json(const Json& json) {
  if (json.is_string()) return json.as_string();
  if (json.is_null() || json.is_array() || json.is_object()) wrong("a STRING", json);
  // A choice may be a number.
  return python_repr(json);
}

bool boolean_from_json(const Json& json) {
  if (json.is_bool()) return json.as_bool();
  if (json.is_number()) return json.as_double() != 0;
  wrong("a BOOLEAN", json);
}

graph::Link link_from_json(const Json& json) {
  if (std::optional<graph::Link> link = graph::as_link(json)) return *std::move(link);
  wrong("a link", json);
}

}  // namespace comfy::engine
