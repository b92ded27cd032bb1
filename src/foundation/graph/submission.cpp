// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/submission.h"

#include "foundation/graph/coerce.h"
#include "foundation/graph/error_table.h"
#include "foundation/graph/prompt_limits.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

namespace comfy::graph {

namespace {

Refusal malformed(std::string_view field, std::string_view expected, const Json& found) {
  return {Error::Kind::invalid_input,
          refusal_body("invalid_request",
                       fmt::format("{} must be {}, got {}", field, expected, found.type_name()))};
}

/// An id given as text or as a number; nothing when it is null or absent.
std::optional<Refusal> read_id(const Json& body, const char* key, std::optional<std::string>& id) {
  const Json* value = body.find(key);
  if (!value || value->is_null()) return {};
  if (!value->is_string() && !value->is_number()) return malformed(key, "a string", *value);
  id = python_str(*value);
  return {};
}

std::optional<Refusal> read_number(const Json& body, Submission& submission) {
  const Json* number = body.find("number");
  if (!number) return {};
  if (!number->is_number()) return malformed("number", "a number", *number);
  // A NaN has no place in a queue: it counts as not given.
  if (!std::isnan(number->as_double())) submission.number = number->as_double();
  return {};
}

std::optional<Refusal> read_expiry(const Json& body, Submission& submission) {
  const Json* time = body.find("expires_at");
  if (!time || time->is_null()) return {};
  constexpr double kEndOfTime = 253'402'300'800'000;  // the year 10000
  if (!time->is_number() || !(time->as_double() >= 0) || time->as_double() > kEndOfTime)
    return malformed("expires_at", "a time in milliseconds since 1970", *time);
  submission.expires_at = static_cast<std::int64_t>(time->as_double());
  return {};
}

std::optional<Refusal> read_targets(const Json& body, Submission& submission) {
  const Json* targets = body.find("partial_execution_targets");
  if (!targets || targets->is_null()) return {};
  if (!targets->is_array())
    return malformed("partial_execution_targets", "an array of node ids", *targets);
  submission.partial_execution_targets.emplace();
  for (const Json& id : targets->as_array())
    if (id.is_string()) submission.partial_execution_targets->push_back(id.as_string());
  return {};
}

std::optional<Refusal> read_extra_data(const Json& body, Submission& submission) {
  if (const Json* extra = body.find("extra_data")) {
    if (!extra->is_object()) return malformed("extra_data", "an object", *extra);
    submission.extra_data = *extra;
  }
  std::optional<std::string> client;
  if (auto refusal = read_id(body, "client_id", client)) return refusal;
  if (client)
    submission.extra_data["client_id"] = *client;
  else if (auto refusal = read_id(submission.extra_data, "client_id", client))
    return refusal;
  submission.client_id = client.value_or("");
  return {};
}

}  // namespace

Json refusal_body(std::string_view type, std::string_view message, std::string_view details) {
  return Json::Object{{"error", Json::Object{{"type", type},
                                             {"message", message},
                                             {"details", details},
                                             {"extra_info", Json::Object{}}}},
                      {"node_errors", Json::Object{}}};
}

std::variant<Submission, Refusal> read_submission(const Json& body) {
  const Json* prompt = body.find("prompt");
  if (!prompt) {
    const std::string text = problem_message(Problem::no_prompt);
    return Refusal{Error::Kind::invalid_prompt,
                   refusal_body(problem_type(Problem::no_prompt), text, text)};
  }
  if (const auto limit = limit_exceeded(*prompt)) {
    return Refusal{Error::Kind::too_large, refusal_body("prompt_too_large", *limit)};
  }
  Submission submission;
  submission.prompt = *prompt;
  if (auto refusal = read_number(body, submission)) return *std::move(refusal);
  if (auto refusal = read_expiry(body, submission)) return *std::move(refusal);
  if (auto refusal = read_targets(body, submission)) return *std::move(refusal);
  if (auto refusal = read_extra_data(body, submission)) return *std::move(refusal);
  if (auto refusal = read_id(body, "prompt_id", submission.prompt_id)) return *std::move(refusal);
  if (const Json* front = body.find("front")) submission.front = truthy(*front);
  return submission;
}

std::variant<Submission, Refusal> accept(const Json& body, const Catalogue& catalogue,
                                         ValidationOptions options) {
  auto read = read_submission(body);
  Submission* submission = std::get_if<Submission>(&read);
  if (!submission) return read;
  options.partial_execution_targets = submission->partial_execution_targets;
  ValidationResult result = validate(std::move(submission->prompt), catalogue, options);
  if (!result.accepted) return Refusal{Error::Kind::invalid_prompt, result.refusal()};
  submission->prompt = std::move(result.prompt);
  submission->outputs = std::move(result.outputs);
  submission->node_errors = std::move(result.node_errors);
  return read;
}

}  // namespace comfy::graph
