// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/folders.h"
#include "frontend/jobs/jobs.h"
#include "frontend/server/metrics.h"
#include "frontend/server/routes/routes.h"
#include "frontend/server/services.h"
#include "frontend/server/sessions.h"

#include <unistd.h>

namespace comfy::server {
namespace {

/// Alive: the loop that answers this runs.
awaitable<Response> get_health(const Request&, Services&) {
  co_return json_response(Json::Object{{"status", "ok"}});
}

/// Folders of models that are there and must not be read, as people know them.
Json::Array unreadable_models(const paths::Folders& folders) {
  Json::Array found;
  for (const std::string& kind : folders.model_kinds()) {
    for (const paths::Root& root : folders.find_model_folder(kind)->roots) {
      const char* path = root.path().c_str();
      if (::access(path, F_OK) == 0 && ::access(path, R_OK | X_OK) != 0)
        found.emplace_back(folders.shown(root.path()));
    }
  }
  return found;
}

/// Ready: the store takes jobs, a worker can run them, models can be read, the broker (where there
/// is one) carries messages. Each part is named.
awaitable<Response> get_readiness(const Request&, Services& services) {
  const jobs::Counts counts = services.jobs.counts();
  const auto work = [&services] { return unreadable_models(services.folders); };
  Json::Array unreadable = co_await services.blocking.run(work);
  bool ready =
      counts.store_writable && counts.workers > 0 && unreadable.empty() && !counts.stopping;
  Json::Object parts{{"store_writable", counts.store_writable},
                     {"worker", counts.workers > 0},
                     {"models_readable", unreadable.empty()},
                     {"paused", counts.paused},
                     {"stopping", counts.stopping}};
  if (!unreadable.empty()) parts["models_unreadable"] = std::move(unreadable);
  if (services.broker) {
    const link::BrokerState broker = services.broker();
    ready = ready && broker.connected && !broker.blocked;
    parts["broker"] = link::to_json(broker);
  }
  const char* status = ready ? "ready" : "not ready";
  co_return json_response(Json::Object{{"status", status}, {"parts", std::move(parts)}},
                          ready ? 200 : 503);
}

awaitable<Response> get_metrics(const Request&, Services& services) {
  const jobs::Counts counts = services.jobs.counts();
  Metrics::Now now{
      .jobs = counts, .unplaced = services.jobs.unplaced(), .sockets = services.sessions.size()};
  now.sockets_dropped = services.sessions.fallen_behind();
  if (services.broker) now.broker = services.broker();
  Response response;
  response.headers.add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  response.body = services.metrics.text(now);
  co_return response;
}

}  // namespace

std::vector<Route> health_routes() {
  return {
      {Method::get, "/healthz", get_health, BodyLimit::small, Alias::none, Access::open},
      {Method::get, "/readyz", get_readiness, BodyLimit::small, Alias::none},
      {Method::get, "/metrics", get_metrics, BodyLimit::small, Alias::none, Access::admin},
  };
}

}  // namespace comfy::server
