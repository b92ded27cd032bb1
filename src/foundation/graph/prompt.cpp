// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/prompt.h"

#include <cmath>

namespace comfy::graph {

Json Link::to_json() const { return Json::Array{node, slot}; }

bool is_link(const Json& value) {
  if (!value.is_array()) return false;
  const Json::Array& parts = value.as_array();
  return parts.size() == 2 && parts[0].is_string() && parts[1].is_number();
}

std::optional<Link> as_link(const Json& value) {
  if (!is_link(value)) return {};
  const Json::Array& parts = value.as_array();
  const double slot = parts[1].as_double();
  if (!(slot >= 0) || slot != std::floor(slot) || slot > 1e6) return {};
  return Link{parts[0].as_string(), static_cast<std::size_t>(slot)};
}

const Json::Object& inputs_of(const Json& node) {
  static const Json::Object kNone;
  const Json* inputs = node.find("inputs");
  return inputs && inputs->is_object() ? inputs->as_object() : kNone;
}

const std::string& class_of(const Json& node) {
  static const std::string kNone;
  const Json* type = node.find("class_type");
  return type && type->is_string() ? type->as_string() : kNone;
}

}  // namespace comfy::graph
