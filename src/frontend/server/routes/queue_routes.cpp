// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "frontend/jobs/jobs.h"
#include "frontend/server/caller.h"
#include "frontend/server/job_answer.h"
#include "frontend/server/routes/ids.h"
#include "frontend/server/routes/routes.h"
#include "frontend/server/services.h"

#include <fmt/format.h>

#include <memory>
#include <utility>
#include <variant>

namespace comfy::server {
namespace {

using jobs::Done;
using jobs::Nothing;

constexpr std::size_t kSentInWhole = 128 * 1024;

/// The beginning of an answer that is put together in pieces.
struct Beginning {
  std::string text;
  bool is_all = false;
};

Beginning beginning_of(const jobs::Jobs::Pieces& pieces) {
  Beginning beginning;
  while (beginning.text.size() < kSentInWhole) {
    const std::optional<std::string> piece = pieces();
    if (!piece) {
      beginning.is_all = true;
      break;
    }
    beginning.text += *piece;
  }
  return beginning;
}

/// A list of jobs as JSON: a short one in whole, a long one piece by piece, so that neither its
/// reader nor this server's memory waits for its end.
awaitable<Response> listing(jobs::Jobs::Pieces pieces, Services& services) {
  const auto work = [&pieces] { return beginning_of(pieces); };
  Beginning beginning = co_await services.blocking.run(work);
  Response response = json_bytes(std::make_shared<const std::string>(std::move(beginning.text)));
  if (beginning.is_all) co_return response;
  Producer rest = [first = std::get<SharedBytes>(response.body),
                   pieces = std::move(pieces)]() mutable {
    if (!first) return pieces();
    return std::optional<std::string>{*std::exchange(first, nullptr)};
  };
  response.body = std::move(rest);
  co_return response;
}

awaitable<Response> get_queue(const Request& request, Services& services) {
  return listing(services.jobs.queue_pieces(caller_of(request)), services);
}

/// {"clear": true} or {"delete": [ids]}: what to drop.
struct Removal {
  bool clear = false;
  std::vector<std::string> ids;
};

Removal removal_of(const Request& request) {
  const Json::Object body = request.json_object();
  Removal removal;
  if (const Json* clear = body.find("clear")) removal.clear = truth_of(*clear);
  if (const Json* ids = body.find("delete")) removal.ids = prompt_ids(*ids, "delete");
  return removal;
}

awaitable<Response> post_queue(const Request& request, Services& services) {
  Removal removal = removal_of(request);
  if (removal.clear) {
    auto clear = [&services, &request](Done<Nothing> done) {
      services.jobs.clear_queue(caller_of(request), std::move(done));
    };
    co_await answer_of<Nothing>(std::move(clear));
  }
  if (!removal.ids.empty()) {
    auto drop = [&services, &request, &removal](Done<Nothing> done) {
      services.jobs.delete_queued(caller_of(request), std::move(removal.ids), std::move(done));
    };
    co_await answer_of<Nothing>(std::move(drop));
  }
  co_return empty_response();
}

awaitable<Response> get_history(const Request& request, Services& services) {
  const auto max_items = request.query.find_integer("max_items");
  const auto offset = request.query.find_integer("offset").value_or(-1);
  const std::optional<std::int64_t> most = max_items;
  return listing(services.jobs.history_pieces(caller_of(request), most, offset), services);
}

awaitable<Response> get_history_of(const Request& request, Services& services) {
  const auto work = [&services, &request] {
    return services.jobs.history_of(caller_of(request), request.parameters.at(0));
  };
  std::string text = co_await services.blocking.run(work);
  co_return json_bytes(std::make_shared<const std::string>(std::move(text)));
}

awaitable<Response> post_history(const Request& request, Services& services) {
  Removal removal = removal_of(request);
  if (removal.clear) {
    auto clear = [&services, &request](Done<Nothing> done) {
      services.jobs.clear_history(caller_of(request), std::move(done));
    };
    co_await answer_of<Nothing>(std::move(clear));
  }
  if (!removal.ids.empty()) {
    auto drop = [&services, &request, &removal](Done<Nothing> done) {
      services.jobs.delete_history(caller_of(request), std::move(removal.ids), std::move(done));
    };
    co_await answer_of<Nothing>(std::move(drop));
  }
  co_return empty_response();
}

/// The body of /interrupt: nothing, something unreadable, or {"prompt_id": ...}.
std::optional<std::string> interrupted_id(const Request& request) {
  Json body;
  try {
    if (!request.body.empty()) body = request.json();
  } catch (const Error&) {
    return {};  // ComfyUI takes unreadable JSON for {} here.
  }
  if (body.is_null()) return {};
  if (!body.is_object()) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("the body must be a JSON object, got {}", body.type_name())};
  }
  const Json* id = body.find("prompt_id");
  if (id == nullptr || !truth_of(*id)) return {};
  return prompt_id_of(*id, "prompt_id");
}

awaitable<Response> post_interrupt(const Request& request, Services& services) {
  std::optional<std::string> id = interrupted_id(request);
  auto interrupt = [&services, &request, &id](Done<Nothing> done) {
    services.jobs.interrupt(caller_of(request), std::move(id), std::move(done));
  };
  co_await answer_of<Nothing>(std::move(interrupt));
  co_return empty_response();
}

awaitable<Response> post_free(const Request& request, Services& services) {
  const Json::Object body = request.json_object();
  const auto flag = [&body](std::string_view name) {
    const Json* value = body.find(name);
    return value != nullptr && truth_of(*value);
  };
  const bool memory = flag("free_memory");
  services.jobs.free({.unload_models = memory || flag("unload_models"), .free_memory = memory});
  co_return empty_response();
}

Response queue_state(const Services& services) {
  return json_response(Json::Object{{"paused", services.jobs.counts().paused}});
}

/// Nothing more is handed to workers; what runs goes on, and prompts are accepted.
awaitable<Response> post_pause(const Request&, Services& services) {
  services.jobs.pause();
  co_return queue_state(services);
}

awaitable<Response> post_resume(const Request&, Services& services) {
  services.jobs.resume();
  co_return queue_state(services);
}

}  // namespace

std::vector<Route> queue_routes() {
  return {
      {Method::get, "/queue", get_queue},
      {Method::post, "/queue", post_queue},
      {Method::post, "/queue/pause", post_pause, BodyLimit::small, Alias::api, Access::admin},
      {Method::post, "/queue/resume", post_resume, BodyLimit::small, Alias::api, Access::admin},
      {Method::get, "/history", get_history},
      {Method::get, "/history/{prompt_id}", get_history_of},
      {Method::post, "/history", post_history},
      {Method::post, "/interrupt", post_interrupt},
      {Method::post, "/free", post_free, BodyLimit::small, Alias::api, Access::admin},
  };
}

}  // namespace comfy::server
