// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/message.h"

#include "foundation/base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace comfy::link {
namespace {

constexpr std::size_t kKibi = 1024;
constexpr std::size_t kMebi = 1024 * kKibi;

constexpr std::array<std::pair<Type, std::string_view>, 25> kNames{{
    {Type::hello, "hello"},
    {Type::need, "need"},
    {Type::catalogue, "catalogue"},
    {Type::models, "models"},
    {Type::job, "job"},
    {Type::claim, "claim"},
    {Type::go, "go"},
    {Type::drop, "drop"},
    {Type::wait, "wait"},
    {Type::renew, "renew"},
    {Type::renewed, "renewed"},
    {Type::event, "event"},
    {Type::preview, "preview"},
    {Type::finish, "finish"},
    {Type::finished, "finished"},
    {Type::release, "release"},
    {Type::cancel, "cancel"},
    {Type::free, "free"},
    {Type::pause, "pause"},
    {Type::resume, "resume"},
    {Type::shutdown, "shutdown"},
    {Type::snapshot, "snapshot"},
    {Type::validate, "validate"},
    {Type::verdict, "verdict"},
    {Type::ping, "ping"},
}};

std::string text_member(const Json& document, std::string_view name) {
  const Json* found = document.find(name);
  if (found == nullptr || found->is_null()) return {};
  return found->as_string();
}

}  // namespace

std::string_view type_name(Type type) {
  if (type == Type::pong) return "pong";
  const auto* row = std::find_if(kNames.begin(), kNames.end(),
                                 [type](const auto& entry) { return entry.first == type; });
  return row == kNames.end() ? "unknown" : row->second;
}

Type type_of(std::string_view name) {
  if (name == "pong") return Type::pong;
  const auto* row = std::find_if(kNames.begin(), kNames.end(),
                                 [name](const auto& entry) { return entry.second == name; });
  return row == kNames.end() ? Type::unknown : row->first;
}

std::size_t size_cap(Type type) {
  switch (type) {
    case Type::go:
    case Type::finish:
    case Type::catalogue:
    case Type::models:
      return 16 * kMebi;
    case Type::preview:
      return 8 * kMebi;
    case Type::event:  // `executed` carries what a node shows, which may be a long text
    case Type::snapshot:
    case Type::validate:  // literals may be long texts
    case Type::verdict:
      return 4 * kMebi;
    default:
      return 64 * kKibi;
  }
}

std::string to_text(const Message& message) {
  Json document = Json::Object{};
  document["v"] = kVersion;
  document["type"] = type_name(message.type);
  document["seq"] = message.seq;
  if (!message.prompt_id.empty()) document["prompt_id"] = message.prompt_id;
  if (message.attempt != 0) document["attempt"] = message.attempt;
  if (!message.token.empty()) document["token"] = message.token;
  if (!message.store.empty()) document["store"] = message.store;
  document["body"] = message.body;
  return to_compact_json(document);
}

Message message_from_text(std::string_view text) {
  // A prompt as deep as the server takes it lies a few levels deeper in its message.
  Json document = parse_json(text, {.max_depth = 1024});
  const std::int64_t version = document.at("v").as_int();
  if (version != kVersion)
    throw Error(
        Error::Kind::unsupported,
        fmt::format("the link speaks version {}, got a message of version {}", kVersion, version));
  Message message;
  message.type = type_of(document.at("type").as_string());
  message.seq = document.at("seq").as_uint();
  message.prompt_id = text_member(document, "prompt_id");
  message.token = text_member(document, "token");
  message.store = text_member(document, "store");
  if (const Json* attempt = document.find("attempt")) {
    const std::int64_t number = attempt->as_int();
    if (number < 0 || number > 1'000'000)
      throw Error(Error::Kind::invalid_input,
                  fmt::format("attempt must lie in [0, 1000000], got {}", number));
    message.attempt = static_cast<int>(number);
  }
  if (Json* body = document.as_object().find("body")) {
    if (!body->is_object())
      throw Error(
          Error::Kind::invalid_input,
          fmt::format("the body of a message must be an object, got {}", body->type_name()));
    message.body = std::move(*body);
  }
  return message;
}

}  // namespace comfy::link
