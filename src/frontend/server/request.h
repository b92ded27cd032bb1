// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"
#include "frontend/access/role.h"
#include "frontend/server/body.h"
#include "frontend/server/fields.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::server {

enum class Method : std::uint8_t { get, head, post, put, patch, delete_, options, other };

Method method_of(std::string_view name);
std::string_view method_name(Method method);

/// One request as a handler sees it. HEAD reaches handlers as GET; the server drops the body.
struct Request {
  Method method = Method::get;
  std::string target;  ///< as sent: path, "?" and query, still encoded
  std::string path;    ///< the part before "?", still encoded, with "/api" when sent with it
  /// What the {names} of the route matched, in order, percent-decoded once. May hold "/" and NUL:
  /// give them to ClientPath before they become a path.
  std::vector<std::string> parameters;
  Query query;
  Headers headers;
  Body body;
  std::string remote_address;  ///< without port; behind a trusted proxy the client's own
  bool secure = false;         ///< it came by TLS, to us or to a trusted proxy
  access::Identity identity;   ///< who sends it

  /// The body as JSON, whatever Content-Type says. Throws Error(invalid_input) when it is none.
  Json json() const;
  /// The same, and an object.
  Json::Object json_object() const;
};

}  // namespace comfy::server
