// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/records.h"

#include "foundation/base/error.h"
#include "foundation/base/hash.h"
#include "foundation/base/ids.h"
#include "foundation/base/strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace comfy::jobs {
namespace {

constexpr std::array<std::string_view, 3> kSecrets{"auth_token_comfy_org", "api_key_comfy_org",
                                                   "token"};
constexpr std::array<std::string_view, 3> kPreviewable{"images", "video", "audio"};
constexpr std::array<std::string_view, 4> kModelSuffixes{".obj", ".fbx", ".gltf", ".glb"};

std::string quoted(std::string_view text) { return to_json(Json{text}); }

/// Objects with their members in order of name, so that equal contents give equal texts.
Json sorted(const Json& value) {
  if (value.is_array()) {
    Json::Array items;
    for (const Json& item : value.as_array()) items.push_back(sorted(item));
    return items;
  }
  if (!value.is_object()) return value;
  std::vector<const Json::Object::Member*> members;
  for (const auto& member : value.as_object()) members.push_back(&member);
  std::sort(members.begin(), members.end(),
            [](const auto* a, const auto* b) { return a->first < b->first; });
  Json::Object object;
  for (const auto* member : members) object[member->first] = sorted(member->second);
  return object;
}

std::string body_hash(const Submission& submission) {
  const Json body = Json::Object{{"extra_data", submission.extra_data},
                                 {"partial_execution_targets", submission.partial_targets},
                                 {"prompt", submission.received}};
  return to_hex(sha256(to_compact_json(sorted(body))));
}

Class class_of(const Submission& submission) {
  const std::string wanted = submission.extra_data.string_or("priority", "normal");
  if (wanted == "low") return Class::low;
  // With authentication, going before everybody else needs a permission that nobody has yet.
  return wanted == "high" && submission.owner.empty() ? Class::high : Class::normal;
}

std::string workflow_id_of(const Json& extra_data) {
  const Json* info = extra_data.find("extra_pnginfo");
  const Json* workflow = info ? info->find("workflow") : nullptr;
  return workflow ? workflow->string_or("id", "") : std::string{};
}

std::string joined_milliseconds(std::string_view name, const std::optional<WallTime>& time) {
  return time ? fmt::format(", \"{}\": {}", name, time->count()) : std::string{};
}

std::string or_empty_object(const std::string& text) { return text.empty() ? "{}" : text; }

bool is_previewable(std::string_view media, const Json& item) {
  if (std::find(kPreviewable.begin(), kPreviewable.end(), media) != kPreviewable.end()) return true;
  const std::string format = item.string_or("format", "");
  if (format.starts_with("video/") || format.starts_with("audio/")) return true;
  const std::string name = lower(item.string_or("filename", ""));
  return std::any_of(kModelSuffixes.begin(), kModelSuffixes.end(),
                     [&](std::string_view suffix) { return name.ends_with(suffix); });
}

}  // namespace

bool is_prompt_id(std::string_view text) {
  constexpr std::size_t kMaxLength = 128;
  if (text.empty() || text.size() > kMaxLength) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == ':' || c == '-';
  });
}

Json::Object take_secrets(Json& extra_data) {
  Json::Object secrets;
  for (const std::string_view name : kSecrets) {
    Json* found = extra_data.as_object().find(name);
    if (found == nullptr) continue;
    secrets[name] = std::move(*found);
    extra_data.as_object().erase(name);
  }
  return secrets;
}

NewJob to_new_job(Submission submission, Random& random, WallTime now) {
  if (submission.prompt_id.empty()) submission.prompt_id = uuid4(random);
  if (!is_prompt_id(submission.prompt_id))
    throw Error(
        Error::Kind::invalid_input,
        fmt::format("prompt_id must have 1 to 128 characters of A-Z, a-z, 0-9 and ._:-, got {}",
                    quoted(submission.prompt_id.substr(0, 200))));
  if (!submission.extra_data.is_object())
    throw Error(Error::Kind::invalid_input, fmt::format("extra_data must be an object, got {}",
                                                        submission.extra_data.type_name()));
  const Json::Object secrets = take_secrets(submission.extra_data);
  NewJob job{.prompt_id = submission.prompt_id,
             .owner = submission.owner,
             .job_class = class_of(submission),
             .number = submission.number,
             .front = submission.front,
             .body_hash = body_hash(submission),
             .idempotency_key = submission.idempotency_key,
             .workflow_id = workflow_id_of(submission.extra_data),
             .created = now,
             .expires = submission.expires_at};
  if (submission.client_id) submission.extra_data["client_id"] = *submission.client_id;
  job.client_id = submission.extra_data.string_or("client_id", "");
  job.prompt = to_json(submission.prompt);
  job.extra_data = to_json(submission.extra_data);
  if (!secrets.empty()) job.secrets = to_json(secrets);
  job.outputs_to_execute = to_json(Json::array(submission.outputs));
  job.node_errors = to_json(submission.node_errors);
  const std::size_t bytes = job.prompt.size() + job.extra_data.size() + job.secrets.size();
  if (bytes > kMaxPromptBytes)
    throw Error(Error::Kind::too_large,
                fmt::format("a prompt with its extra_data must have at most {} bytes, got {}",
                            kMaxPromptBytes, bytes));
  return job;
}

std::string queue_item(const JobRecord& record) {
  return fmt::format("[{}, {}, {}, {}, {}]", record.number, quoted(record.prompt_id), record.prompt,
                     record.extra_data, record.outputs_to_execute);
}

std::string history_entry(const JobRecord& record) {
  return fmt::format(R"({{"prompt": {}, "outputs": {}, "status": {}, "meta": {}}})",
                     queue_item(record), or_empty_object(record.outputs), record.status,
                     or_empty_object(record.meta));
}

std::string job_view(const JobRecord& record, Detail detail,
                     const std::optional<std::string>& unplaced) {
  std::string text = fmt::format(R"({{"id": {}, "status": "{}", "priority": {}, "create_time": {})",
                                 quoted(record.prompt_id), api_name(record.state), record.number,
                                 record.created.count());
  text += joined_milliseconds("execution_start_time", record.started);
  text += joined_milliseconds("execution_end_time", record.ended);
  if (!record.error.empty()) text += ", \"execution_error\": " + record.error;
  if (record.state == State::expired)
    text += R"(, "execution_error": {"exception_type": "expired", )"
            R"("exception_message": "the job waited longer than its submitter allowed"})";
  text += fmt::format(", \"outputs_count\": {}", record.outputs_count);
  if (!record.preview_output.empty()) text += ", \"preview_output\": " + record.preview_output;
  if (!record.workflow_id.empty()) text += ", \"workflow_id\": " + quoted(record.workflow_id);
  if (unplaced)
    text +=
        fmt::format(R"(, "reason": "no capable worker", "reason_details": {})", quoted(*unplaced));
  if (detail == Detail::full) {
    text += fmt::format(R"(, "outputs": {}, "workflow": {{"prompt": {}, "extra_data": {}}})",
                        or_empty_object(record.outputs), record.prompt, record.extra_data);
    if (!record.status.empty()) text += ", \"execution_status\": " + record.status;
  }
  return text + "}";
}

OutputSummary summarize(const Json& outputs) {
  OutputSummary summary;
  bool found_output = false;
  for (const auto& [node_id, ui] : outputs.as_object()) {
    if (!ui.is_object()) continue;
    for (const auto& [media, items] : ui.as_object()) {
      if (media == "animated" || !items.is_array()) continue;
      for (const Json& item : items.as_array()) {
        ++summary.count;
        if (found_output || !item.is_object() || !is_previewable(media, item)) continue;
        const bool is_output = item.string_or("type", "") == "output";
        if (!summary.preview.is_null() && !is_output) continue;
        found_output = is_output;
        summary.preview = item;
        summary.preview["nodeId"] = node_id;
        summary.preview["mediaType"] = media;
      }
    }
  }
  return summary;
}

std::string status_text(bool success, const Json::Array& messages) {
  return to_json(Json::Object{{"status_str", success ? "success" : "error"},
                              {"completed", success},
                              {"messages", messages}});
}

Json interrupted_data(const std::string& prompt_id, WallTime at) {
  return Json::Object{{"prompt_id", prompt_id},
                      {"node_id", ""},
                      {"node_type", ""},
                      {"executed", Json::Array{}},
                      {"timestamp", std::int64_t{at.count()}}};
}

Json worker_lost_data(const std::string& prompt_id, const std::string& node_id,
                      std::string_view message, WallTime at) {
  return Json::Object{{"prompt_id", prompt_id},
                      {"node_id", node_id},
                      {"node_type", ""},
                      {"executed", Json::Array{}},
                      {"exception_message", message},
                      {"exception_type", "worker_lost"},
                      {"traceback", Json::Array{}},
                      {"current_inputs", Json::Object{}},
                      {"current_outputs", Json::Array{}},
                      {"timestamp", std::int64_t{at.count()}}};
}

Outcome to_outcome(const link::Finish& finish) {
  const Json::Array& messages = finish.messages.as_array();
  Outcome outcome{.prompt_id = finish.id.prompt_id,
                  .attempt = finish.id.attempt,
                  .token = finish.id.token,
                  .outputs = to_json(finish.outputs),
                  .meta = to_json(finish.meta),
                  .status = status_text(finish.end == link::End::succeeded, messages),
                  .started = finish.started,
                  .ended = finish.ended};
  outcome.state = finish.end == link::End::succeeded ? State::succeeded
                  : finish.end == link::End::failed  ? State::failed
                                                     : State::cancelled;
  if (outcome.state == State::failed && !messages.empty())
    outcome.error = to_json(messages.back().as_array().at(1));
  if (outcome.state == State::succeeded) {
    Json::Array cancelled = messages;
    if (!cancelled.empty()) cancelled.pop_back();
    cancelled.push_back(
        Json::Array{"execution_interrupted", interrupted_data(finish.id.prompt_id, finish.ended)});
    outcome.cancelled_status = status_text(false, cancelled);
  }
  const OutputSummary summary = summarize(finish.outputs);
  outcome.outputs_count = summary.count;
  if (!summary.preview.is_null()) outcome.preview_output = to_json(summary.preview);
  return outcome;
}

std::string socket_text(std::string_view type, const Json& data) {
  return fmt::format(R"({{"type": "{}", "data": {}}})", type, to_json(data));
}

}  // namespace comfy::jobs
