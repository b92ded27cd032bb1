// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/type_match.h"

#include "foundation/base/strings.h"

#include <algorithm>

namespace comfy::graph {

namespace {

bool unions_match(std::string_view received, std::string_view wanted) {
  const std::vector<std::string_view> left = split(received, ','), right = split(wanted, ',');
  return std::any_of(left.begin(), left.end(), [&](std::string_view from) {
    return trim(from) == "*" || std::any_of(right.begin(), right.end(), [&](std::string_view to) {
             return trim(to) == "*" || trim(from) == trim(to);
           });
  });
}

}  // namespace

bool types_match(const Json& received, const Json& wanted) {
  if (received == wanted) return true;
  if (received.is_string() && wanted.is_string())
    return unions_match(received.as_string(), wanted.as_string());
  if (received.is_string()) return received.as_string() == "*";
  if (wanted.is_string()) return wanted.as_string() == "*" || wanted.as_string() == "COMBO";
  return received.is_array() && received.as_array().empty();
}

}  // namespace comfy::graph
