// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/graph/submission.h"
#include "frontend/access/gate.h"
#include "frontend/jobs/jobs.h"
#include "frontend/server/catalogue_store.h"
#include "frontend/server/error_reply.h"
#include "frontend/server/files/client_files.h"
#include "frontend/server/job_answer.h"
#include "frontend/server/routes/routes.h"
#include "frontend/server/services.h"

#include <variant>

namespace comfy::server {
namespace {

/// GET /prompt: how much there is to do.
awaitable<Response> get_prompt(const Request&, Services& services) {
  const jobs::Counts counts = services.jobs.counts();
  const Json info = Json::Object{{"queue_remaining", counts.pending + counts.running}};
  co_return json_response(Json::Object{{"exec_info", info}});
}

using Checked = std::variant<jobs::Submission, Response>;

jobs::Submission submission_of(graph::Submission accepted, Json received) {
  jobs::Submission submission;
  submission.prompt_id = accepted.prompt_id.value_or("");
  submission.received = std::move(received);
  submission.prompt = std::move(accepted.prompt);
  submission.outputs = std::move(accepted.outputs);
  if (accepted.partial_execution_targets) {
    submission.partial_targets = Json::array(*accepted.partial_execution_targets);
  }
  submission.extra_data = std::move(accepted.extra_data);
  if (!accepted.client_id.empty()) submission.client_id = std::move(accepted.client_id);
  submission.number = accepted.number;
  submission.front = accepted.front;
  if (accepted.expires_at) submission.expires_at = std::chrono::milliseconds{*accepted.expires_at};
  submission.node_errors = std::move(accepted.node_errors);
  return submission;
}

/// Asks a worker for a node's own validator. Without an answer in time the node passes: its worker
/// asks again before it runs. After one that did not come, no other of this prompt is waited for.
graph::Validator remote_validator(jobs::Jobs& jobs) {
  return [&jobs, silent = false](const graph::ValidatorCall& call) mutable {
    std::optional<std::string> complaint;
    if (silent) return complaint;
    const auto verdict = jobs.ask_validator({.id = {},
                                             .node_class = call.definition.id,
                                             .node_id = call.node_id,
                                             .literals = call.literals,
                                             .types = call.received_types});
    silent = !verdict;
    if (verdict && verdict->failure) throw Error{Error::Kind::internal, *verdict->failure};
    if (verdict) complaint = verdict->complaint;
    return complaint;
  };
}

/// Parses and validates a body; runs on the blocking pool, as it may be long and asks for files.
Checked check(const Request& request, Services& services) {
  Json body;
  try {
    body = request.json();
  } catch (const Error& error) {
    return json_response(graph::refusal_body("invalid_json", error.message), 400);
  }
  Json received;
  if (const Json* prompt = body.find("prompt")) received = *prompt;
  graph::ValidationOptions options;
  options.files = services.catalogue.choices(user_of(request, services));
  options.validator = remote_validator(services.jobs);
  auto outcome = graph::accept(body, *services.catalogue.catalogue(), std::move(options));
  if (const auto* refusal = std::get_if<graph::Refusal>(&outcome)) {
    return json_response(refusal->body, status_of(Error{refusal->kind, ""}));
  }
  jobs::Submission submission =
      submission_of(std::get<graph::Submission>(std::move(outcome)), std::move(received));
  submission.owner = owner_of(request, services);
  submission.idempotency_key = request.headers.find("Idempotency-Key").value_or("");
  return submission;
}

/// POST /prompt: answered once the job is on disk.
awaitable<Response> post_prompt(const Request& request, Services& services) {
  if (!services.gate.may_submit(request.identity.user)) {
    throw Error{Error::Kind::unavailable,
                "a user may send 100 prompts a second, after 1000 at once; try again in a moment",
                "rate_limited"};
  }
  const auto work = [&request, &services] { return check(request, services); };
  Checked checked = co_await services.blocking.run(work);
  if (auto* refusal = std::get_if<Response>(&checked)) co_return std::move(*refusal);
  auto start = [&services, &checked](jobs::Done<jobs::Accepted> done) {
    services.jobs.accept(std::get<jobs::Submission>(std::move(checked)), std::move(done));
  };
  const auto accepted = co_await answer_of<jobs::Accepted>(std::move(start));
  co_return json_response(Json::Object{{"prompt_id", accepted.prompt_id},
                                       {"number", accepted.number},
                                       {"node_errors", accepted.node_errors}});
}

}  // namespace

std::vector<Route> prompt_routes() {
  return {
      {Method::get, "/prompt", get_prompt},
      {Method::post, "/prompt", post_prompt, BodyLimit::upload},
  };
}

}  // namespace comfy::server
