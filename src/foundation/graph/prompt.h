// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

#include <cstddef>
#include <optional>
#include <string>

namespace comfy::graph {

/// One end of a wire: output `slot` of node `node`.
struct Link {
  std::string node;
  std::size_t slot = 0;

  bool operator==(const Link&) const = default;
  Json to_json() const;
};

/// Whether the executor treats a value as a wire: an array of a string and a number.
bool is_link(const Json& value);
/// The wire a value stands for; nothing when it is none or its slot is no whole number from 0 up.
std::optional<Link> as_link(const Json& value);

/// The inputs of a prompt's node; an empty object when it has none.
const Json::Object& inputs_of(const Json& node);
/// The class of a prompt's node; empty when it names none.
const std::string& class_of(const Json& node);

}  // namespace comfy::graph
