// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/request.h"

#include "foundation/base/error.h"

#include <fmt/format.h>

#include <array>

namespace comfy::server {
namespace {

constexpr std::array<std::string_view, 7> kMethods{"GET",   "HEAD",   "POST",   "PUT",
                                                   "PATCH", "DELETE", "OPTIONS"};

}  // namespace

Method method_of(std::string_view name) {
  for (std::size_t i = 0; i < kMethods.size(); ++i) {
    if (kMethods[i] == name) return static_cast<Method>(i);
  }
  return Method::other;
}

std::string_view method_name(Method method) {
  const auto index = static_cast<std::size_t>(method);
  return index < kMethods.size() ? kMethods[index] : "OTHER";
}

Json Request::json() const {
  if (body.empty()) {
    throw Error{Error::Kind::invalid_input, "the body must be JSON, got nothing"};
  }
  return parse_json(body.view());
}

Json::Object Request::json_object() const {
  Json value = json();
  if (!value.is_object()) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("the body must be a JSON object, got {}", value.type_name())};
  }
  return std::move(value.as_object());
}

}  // namespace comfy::server
