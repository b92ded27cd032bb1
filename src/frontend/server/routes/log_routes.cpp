// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "frontend/server/log_ring.h"
#include "frontend/server/routes/ids.h"
#include "frontend/server/routes/routes.h"
#include "frontend/server/services.h"
#include "frontend/server/sessions.h"

namespace comfy::server {
namespace {

awaitable<Response> get_logs(const Request&, Services& services) {
  co_return json_response(Json{services.logs.text()});
}

awaitable<Response> get_raw_logs(const Request&, Services& services) {
  co_return json_response(services.logs.raw());
}

/// PATCH {"clientId", "enabled"}: whether that session gets new lines.
awaitable<Response> subscribe(const Request& request, Services& services) {
  const Json body{request.json_object()};
  const std::string client_id = body.at("clientId").as_string();
  services.sessions.subscribe_logs(request.identity, client_id, truth_of(body.at("enabled")));
  co_return empty_response();
}

}  // namespace

std::vector<Route> log_routes() {
  return {
      {Method::get, "/internal/logs", get_logs, BodyLimit::small, Alias::none, Access::admin},
      {Method::get, "/internal/logs/raw", get_raw_logs, BodyLimit::small, Alias::none,
       Access::admin},
      {Method::patch, "/internal/logs/subscribe", subscribe, BodyLimit::small, Alias::none,
       Access::admin},
  };
}

}  // namespace comfy::server
