// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace comfy::link {

/// The version that every message carries in `v`; another one is refused.
inline constexpr int kVersion = 1;

/// What a message is about. `unknown` is what a newer peer sends: counted and ignored.
enum class Type {
  hello,      ///< worker: who it is and what it runs on
  need,       ///< server: send this list
  catalogue,  ///< worker: its node definitions
  models,     ///< worker: its model names per folder
  job,        ///< server: this prompt may be claimed
  claim,      ///< worker: may I run it?
  go,         ///< server: run it, as this attempt
  drop,       ///< server: forget it
  wait,       ///< server: ask again later
  renew,      ///< worker: the attempt is alive
  renewed,    ///< server: noted; cancel flags
  event,      ///< worker: a message for the prompt's client
  preview,    ///< worker: a picture for the prompt's client
  finish,     ///< worker: the attempt's end
  finished,   ///< server: stored, or stale
  release,    ///< worker: takes the attempt back, it does not count
  cancel,     ///< server: stop this attempt
  free,       ///< server: drop models or cached outputs between jobs
  pause,      ///< server: take no new job
  resume,
  shutdown,  ///< server: drain and end
  snapshot,  ///< server asks, worker answers: where the attempt stands
  validate,  ///< server: ask a node's own validator
  verdict,   ///< worker: its answer
  ping,
  pong,
  unknown
};

std::string_view type_name(Type type);
Type type_of(std::string_view name);

/// One message between server and worker.
struct Message {
  Type type = Type::unknown;
  std::uint64_t seq = 0;       ///< counts a sender's messages; the transport fills it in
  std::string prompt_id = {};  ///< empty where the message concerns no prompt
  int attempt = 0;             ///< 1 for a prompt's first attempt
  std::string token = {};      ///< proves which attempt speaks
  std::string store = {};      ///< whose prompt it is, where several servers share the workers
  Json body = Json::Object{};
  std::string binary = {};
  /// While this is held the transport keeps the message, for a server that starts later.
  std::shared_ptr<const void> held = {};
};

/// The most bytes that a message of this type may have on the wire.
std::size_t size_cap(Type type);

/// The JSON part of a message: version, type, seq, ids and body.
std::string to_text(const Message& message);
/// Reads the JSON part. Throws Error(unsupported) for another version and Error(invalid_input) for
/// text that is no message; a type that is not known gives Type::unknown.
Message message_from_text(std::string_view text);

/// Raw DEFLATE with a zlib header (RFC 1950), for the long lists.
std::string deflate(std::string_view plain);
/// Undoes deflate. Throws Error(too_large) beyond `max_bytes` and Error(invalid_input) for damage.
std::string inflate(std::string_view packed, std::size_t max_bytes);

}  // namespace comfy::link
