// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/access/role.h"
#include "frontend/server/request.h"
#include "frontend/server/response.h"

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::server {

struct Services;

template <class T>
using awaitable = boost::asio::awaitable<T>;

/// Answers one request. It runs on the I/O thread, so it neither blocks nor computes for long: disk
/// and images go through services.blocking (blocking_pool.h). It throws Error for a refusal;
/// error_reply.cpp knows the status.
using Handler = awaitable<Response> (*)(const Request&, Services&);

/// How long a body a route takes (security.md, section 5).
enum class BodyLimit : std::uint8_t {
  small,  ///< 1 MiB: JSON of control routes
  upload  ///< --max-upload-size: uploads, user data, prompts
};

/// What a key must let its holder do to reach a route (security.md, section 3).
enum class Access : std::uint8_t {
  by_method,  ///< `read` for GET, `submit` for the rest
  open,       ///< nothing, not even a key
  read,
  submit,
  admin
};

/// Under which paths a route is served.
enum class Alias : std::uint8_t {
  api,   ///< bare and under /api, as most of ComfyUI's
  none,  ///< exactly as written
};

/// One row of the route table. In `pattern`, {name} matches one segment of the raw path, which is
/// decoded afterwards, so that "a%2Fb" is one value "a/b"; {name...} matches the rest, one or more
/// segments, decoded one by one and joined by "/".
struct Route {
  Method method = Method::get;
  std::string_view pattern;
  Handler handler = nullptr;
  BodyLimit body = BodyLimit::small;
  Alias alias = Alias::api;
  Access access = Access::by_method;
};

/// The role that a row needs; nothing for one that is open to everybody.
std::optional<access::Role> needed_role(const Route& route);

/// What a path and a method lead to.
struct RouteMatch {
  const Route* route = nullptr;         ///< nothing when no row fits
  std::vector<std::string> parameters;  ///< decoded
  std::vector<Method> methods_of_path;  ///< of all rows whose pattern fits, for Allow
};

/// All rows. A fixed segment wins over a {name}, whatever the order of rows.
class RouteTable {
 public:
  explicit RouteTable(std::vector<Route> rows);

  /// `path` is the raw path of the request, with "/api" when it was sent with it. A segment whose
  /// escapes are malformed fits nothing.
  RouteMatch match(Method method, std::string_view path) const;
  const std::vector<Route>& rows() const { return rows_; }

 private:
  std::vector<Route> rows_;
  std::vector<std::vector<std::string_view>> segments_;
};

}  // namespace comfy::server
