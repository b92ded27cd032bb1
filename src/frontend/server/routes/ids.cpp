// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/routes/ids.h"

#include "foundation/base/error.h"

#include <fmt/format.h>

namespace comfy::server {

std::string prompt_id_of(const Json& value, std::string_view field) {
  if (value.is_string()) return value.as_string();
  if (value.is_integer()) return to_json(value);
  throw Error{Error::Kind::invalid_input,
              fmt::format("{} must hold prompt ids as strings, got {}", field, value.type_name())};
}

std::vector<std::string> prompt_ids(const Json& value, std::string_view field) {
  if (!value.is_array()) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("{} must be an array of prompt ids, got {}", field, value.type_name())};
  }
  std::vector<std::string> ids;
  for (const Json& item : value.as_array()) ids.push_back(prompt_id_of(item, field));
  return ids;
}

bool truth_of(const Json& value) {
  if (value.is_null()) return false;
  if (value.is_bool()) return value.as_bool();
  if (value.is_number()) return value.as_double() != 0;
  if (value.is_string()) return !value.as_string().empty();
  if (value.is_array()) return !value.as_array().empty();
  return !value.as_object().empty();
}

}  // namespace comfy::server
