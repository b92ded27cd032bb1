// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/bodies.h"

#include "foundation/base/error.h"

#include <fmt/format.h>

#include <utility>

namespace comfy::link {
namespace {

Json take(Json& body, std::string_view name) {
  Json* found = body.as_object().find(name);
  if (found == nullptr)
    throw Error(Error::Kind::invalid_input, fmt::format("a message lacks its field \"{}\"", name));
  return std::move(*found);
}

Json attempt_json(const AttemptId& id) {
  Json json =
      Json::Object{{"prompt_id", id.prompt_id}, {"attempt", id.attempt}, {"token", id.token}};
  if (!id.store.empty()) json["store"] = id.store;
  return json;
}

std::vector<std::string> strings(const Json& list) {
  std::vector<std::string> texts;
  for (const Json& item : list.as_array()) texts.push_back(item.as_string());
  return texts;
}

constexpr std::string_view kEnds[] = {"succeeded", "failed", "cancelled"};

}  // namespace

AttemptId attempt_of(const Message& message) {
  return {message.prompt_id, message.attempt, message.token, message.store};
}

Message about(Type type, const AttemptId& attempt, Json body) {
  Message message;
  message.type = type;
  message.prompt_id = attempt.prompt_id;
  message.attempt = attempt.attempt;
  message.token = attempt.token;
  message.store = attempt.store;
  message.body = std::move(body);
  return message;
}

Message to_message(const Hello& hello) {
  Json running = Json::Array{};
  for (const AttemptId& id : hello.running) running.push_back(attempt_json(id));
  Message message;
  message.type = Type::hello;
  message.body = Json::Object{{"worker", hello.worker_id},
                              {"build", hello.build_id},
                              {"devices", hello.devices},
                              {"labels", hello.labels},
                              {"catalogue_hash", hello.catalogue_hash},
                              {"models_hash", hello.models_hash},
                              {"running", std::move(running)},
                              {"busy", hello.busy}};
  if (!hello.state.is_null()) message.body["state"] = hello.state;
  return message;
}

Hello read_hello(const Message& message) {
  const Json& body = message.body;
  Hello hello;
  hello.worker_id = body.at("worker").as_string();
  hello.build_id = body.string_or("build", "");
  if (const Json* devices = body.find("devices")) hello.devices = *devices;
  if (const Json* labels = body.find("labels")) hello.labels = *labels;
  hello.catalogue_hash = body.string_or("catalogue_hash", "");
  hello.models_hash = body.string_or("models_hash", "");
  if (const Json* running = body.find("running"))
    for (const Json& item : running->as_array())
      hello.running.push_back({item.at("prompt_id").as_string(),
                               static_cast<int>(item.at("attempt").as_int()),
                               item.at("token").as_string(), item.string_or("store", "")});
  hello.busy = body.bool_or("busy", false);
  if (const Json* state = body.find("state")) hello.state = *state;
  return hello;
}

Message to_message(const Go& go) {
  return about(Type::go, go.id,
               Json::Object{{"prompt", go.prompt},
                            {"outputs", Json::array(go.outputs)},
                            {"extra_data", go.extra_data},
                            {"secrets", go.secrets},
                            {"client_id", go.client_id},
                            {"owner", go.owner},
                            {"cancelled", go.cancelled}});
}

Go read_go(const Message& message) {
  const Json& body = message.body;
  Go go;
  go.id = attempt_of(message);
  go.prompt = body.at("prompt");
  go.outputs = strings(body.at("outputs"));
  go.extra_data = body.at("extra_data");
  if (const Json* secrets = body.find("secrets")) go.secrets = *secrets;
  go.client_id = body.string_or("client_id", "");
  go.owner = body.string_or("owner", "");
  go.cancelled = body.bool_or("cancelled", false);
  return go;
}

Message to_message(const Renew& renew) {
  return about(
      Type::renew, renew.id,
      Json::Object{
          {"counter", renew.counter}, {"progress", renew.progress}, {"state", renew.state}});
}

Renew read_renew(const Message& message) {
  Renew renew;
  renew.id = attempt_of(message);
  renew.counter = message.body.at("counter").as_uint();
  if (const Json* progress = message.body.find("progress")) renew.progress = progress->as_uint();
  if (const Json* state = message.body.find("state")) renew.state = *state;
  return renew;
}

Message to_message(const Renewed& renewed) {
  return about(
      Type::renewed, renewed.id,
      Json::Object{
          {"counter", renewed.counter}, {"cancel", renewed.cancel}, {"lost", renewed.lost}});
}

Renewed read_renewed(const Message& message) {
  Renewed renewed;
  renewed.id = attempt_of(message);
  renewed.counter = message.body.at("counter").as_uint();
  renewed.cancel = message.body.bool_or("cancel", false);
  renewed.lost = message.body.bool_or("lost", false);
  return renewed;
}

Message to_message(Event event) {
  Message message = about(
      Type::event, event.id,
      Json::Object{
          {"seq", event.seq}, {"name", std::move(event.name)}, {"data", std::move(event.data)}});
  if (!event.owner.empty()) message.body["owner"] = std::move(event.owner);
  return message;
}

Event read_event(Message message) {
  Event event;
  event.id = attempt_of(message);
  event.seq = message.body.at("seq").as_uint();
  event.name = message.body.at("name").as_string();
  event.data = take(message.body, "data");
  return event;
}

Message to_message(Preview preview) {
  Message message = about(Type::preview, preview.id,
                          Json::Object{{"kind", preview.kind},
                                       {"keep", preview.keep},
                                       {"metadata", std::move(preview.metadata)}});
  message.binary = std::move(preview.bytes);
  if (!preview.owner.empty()) message.body["owner"] = std::move(preview.owner);
  return message;
}

Preview read_preview(Message message) {
  Preview preview;
  preview.id = attempt_of(message);
  const std::int64_t kind = message.body.at("kind").as_int();
  if (kind < 1 || kind > 4)
    throw Error(Error::Kind::invalid_input,
                fmt::format("a preview's kind must lie in [1, 4], got {}", kind));
  preview.kind = static_cast<int>(kind);
  preview.keep = message.body.bool_or("keep", false);
  preview.metadata = take(message.body, "metadata");
  preview.bytes = std::move(message.binary);
  return preview;
}

bool is_replaceable(const Message& message) {
  return message.type == Type::preview && !message.body.bool_or("keep", false);
}

Message to_message(const Finish& finish) {
  Message message = about(Type::finish, finish.id,
                          Json::Object{{"end", kEnds[static_cast<std::size_t>(finish.end)]},
                                       {"outputs", finish.outputs},
                                       {"meta", finish.meta},
                                       {"messages", finish.messages},
                                       {"started", std::int64_t{finish.started.count()}},
                                       {"ended", std::int64_t{finish.ended.count()}},
                                       {"last_event", finish.last_event}});
  if (!finish.state.is_null()) message.body["state"] = finish.state;
  return message;
}

Finish read_finish(Message message) {
  Finish finish;
  finish.id = attempt_of(message);
  const std::string& end = message.body.at("end").as_string();
  if (end == kEnds[0]) {
    finish.end = End::succeeded;
  } else if (end == kEnds[1]) {
    finish.end = End::failed;
  } else if (end == kEnds[2]) {
    finish.end = End::cancelled;
  } else {
    throw Error(Error::Kind::invalid_input,
                fmt::format("an end must be succeeded, failed or cancelled, got \"{}\"", end));
  }
  finish.outputs = take(message.body, "outputs");
  finish.meta = take(message.body, "meta");
  finish.messages = take(message.body, "messages");
  finish.started = std::chrono::milliseconds{message.body.at("started").as_int()};
  finish.ended = std::chrono::milliseconds{message.body.at("ended").as_int()};
  if (const Json* last = message.body.find("last_event")) finish.last_event = last->as_uint();
  if (const Json* state = message.body.find("state")) finish.state = *state;
  if (!finish.outputs.is_object() || !finish.meta.is_object() || !finish.messages.is_array())
    throw Error(Error::Kind::invalid_input,
                "outputs and meta of a finish must be objects and messages an array");
  return finish;
}

Message to_message(const Question& question) {
  Message message;
  message.type = Type::validate;
  message.body = Json::Object{{"id", question.id},
                              {"class", question.node_class},
                              {"node", question.node_id},
                              {"literals", question.literals},
                              {"types", question.types}};
  return message;
}

Question read_question(const Message& message) {
  const Json& body = message.body;
  Question question;
  question.id = body.at("id").as_string();
  question.node_class = body.at("class").as_string();
  question.node_id = body.string_or("node", "");
  question.literals = body.at("literals").as_object();
  question.types = body.at("types").as_object();
  return question;
}

Message to_message(const Verdict& verdict) {
  const auto text_or_null = [](const std::optional<std::string>& text) {
    return text ? Json{*text} : Json{};
  };
  Message message;
  message.type = Type::verdict;
  message.body = Json::Object{{"id", verdict.id},
                              {"complaint", text_or_null(verdict.complaint)},
                              {"failure", text_or_null(verdict.failure)}};
  return message;
}

Verdict read_verdict(const Message& message) {
  const Json& body = message.body;
  Verdict verdict;
  verdict.id = body.at("id").as_string();
  const Json* complaint = body.find("complaint");
  if (complaint && !complaint->is_null()) verdict.complaint = complaint->as_string();
  const Json* failure = body.find("failure");
  if (failure && !failure->is_null()) verdict.failure = failure->as_string();
  return verdict;
}

}  // namespace comfy::link
