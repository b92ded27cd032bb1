// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "frontend/jobs/jobs.h"
#include "frontend/server/caller.h"
#include "frontend/server/job_answer.h"
#include "frontend/server/routes/ids.h"
#include "frontend/server/routes/routes.h"
#include "frontend/server/services.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace comfy::server {
namespace {

constexpr std::array<std::string_view, 5> kStates{"pending", "in_progress", "completed", "failed",
                                                  "cancelled"};
constexpr std::size_t kLargestPage = 1'000;

/// The jobs API says what is wrong in a single string.
Response complaint(std::string text, unsigned status) {
  return json_response(Json::Object{{"error", std::move(text)}}, status);
}

std::vector<std::string> states_of(const Query& query) {
  std::vector<std::string> states;
  for (const std::string_view part : split(query.find("status").value_or(""), ',')) {
    const std::string_view state = trim(part);
    if (state.empty()) continue;
    if (std::ranges::find(kStates, state) == kStates.end()) {
      throw Error{Error::Kind::invalid_input, fmt::format("status must be one of {}, got \"{}\"",
                                                          fmt::join(kStates, ", "), state)};
    }
    states.emplace_back(state);
  }
  return states;
}

/// The value of `name`, which must be one of two words; the first is the default.
bool is_second(const Query& query, std::string_view name, std::string_view first,
               std::string_view second) {
  const std::string_view value = query.find(name).value_or(first);
  if (value != first && value != second) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("{} must be {} or {}, got \"{}\"", name, first, second, value)};
  }
  return value == second;
}

jobs::JobQuery job_query(const Query& query) {
  jobs::JobQuery wanted;
  wanted.states = states_of(query);
  wanted.workflow_id = query.find("workflow_id").value_or("");
  if (is_second(query, "sort_by", "created_at", "execution_duration")) {
    wanted.sort = jobs::JobQuery::Sort::execution_duration;
  }
  wanted.ascending = is_second(query, "sort_order", "desc", "asc");
  if (const auto limit = query.find_integer("limit")) {
    if (*limit < 1) {
      throw Error{Error::Kind::invalid_input,
                  fmt::format("limit must be 1 or more, got {}", *limit)};
    }
    wanted.limit = std::min(static_cast<std::size_t>(*limit), kLargestPage);
  }
  const auto offset = query.find_integer("offset").value_or(0);
  wanted.offset = static_cast<std::size_t>(std::max(offset, 0LL));
  return wanted;
}

awaitable<Response> get_jobs(const Request& request, Services& services) {
  jobs::JobQuery wanted;
  std::optional<Response> refused;
  try {
    wanted = job_query(request.query);
  } catch (const Error& error) {
    refused = complaint(error.message, 400);
  }
  if (refused) co_return *std::move(refused);
  const auto work = [&services, &request, &wanted] {
    return services.jobs.list(caller_of(request), wanted);
  };
  std::string text = co_await services.blocking.run(work);
  co_return json_bytes(std::make_shared<const std::string>(std::move(text)));
}

awaitable<Response> get_job(const Request& request, Services& services) {
  const auto work = [&services, &request] {
    return services.jobs.job(caller_of(request), request.parameters.at(0));
  };
  std::optional<std::string> text = co_await services.blocking.run(work);
  if (!text) co_return complaint("Job not found", 404);
  co_return json_bytes(std::make_shared<const std::string>(*std::move(text)));
}

awaitable<std::vector<jobs::Cancelled>> cancel(const Request& request, Services& services,
                                               std::vector<std::string> ids) {
  auto start = [&services, &request, &ids](jobs::Done<std::vector<jobs::Cancelled>> done) {
    services.jobs.cancel(caller_of(request), std::move(ids), std::move(done));
  };
  co_return co_await answer_of<std::vector<jobs::Cancelled>>(std::move(start));
}

Json shown(const jobs::Cancelled& job) {
  return Json::Object{{"id", job.prompt_id}, {"status", job.state}, {"cancelled", job.changed}};
}

awaitable<Response> cancel_job(const Request& request, Services& services) {
  std::vector<std::string> ids{request.parameters.at(0)};
  const auto cancelled = co_await cancel(request, services, std::move(ids));
  if (cancelled.empty() || cancelled.front().state.empty())
    co_return complaint("Job not found", 404);
  co_return json_response(shown(cancelled.front()));
}

awaitable<Response> cancel_jobs(const Request& request, Services& services) {
  const Json::Object body = request.json_object();
  const Json* wanted = body.find("job_ids");
  if (wanted == nullptr) co_return complaint("job_ids must be an array of job ids", 400);
  const auto cancelled = co_await cancel(request, services, prompt_ids(*wanted, "job_ids"));
  Json::Array list;
  for (const jobs::Cancelled& job : cancelled) {
    if (!job.state.empty()) list.push_back(shown(job));
  }
  co_return json_response(Json::Object{{"jobs", std::move(list)}});
}

}  // namespace

std::vector<Route> job_routes() {
  return {
      {Method::get, "/api/jobs", get_jobs, BodyLimit::small, Alias::none},
      {Method::get, "/api/jobs/{job_id}", get_job, BodyLimit::small, Alias::none},
      {Method::post, "/api/jobs/cancel", cancel_jobs, BodyLimit::small, Alias::none},
      {Method::post, "/api/jobs/{job_id}/cancel", cancel_job, BodyLimit::small, Alias::none},
  };
}

}  // namespace comfy::server
