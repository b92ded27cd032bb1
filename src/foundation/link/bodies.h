// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/message.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace comfy::link {

/// The bodies of messages as structs. `to_message` fills type and body (and ids where the struct
/// has them); `read_...` throws Error(invalid_input) naming the field that is missing or mistyped.

/// An attempt, by what proves it.
struct AttemptId {
  std::string prompt_id = {};
  int attempt = 0;
  std::string token = {};
  std::string store = {};  ///< as Message::store

  bool operator==(const AttemptId&) const = default;
};

AttemptId attempt_of(const Message& message);
/// A message about that attempt.
Message about(Type type, const AttemptId& attempt, Json body = Json::Object{});

struct Hello {
  std::string worker_id = {};
  std::string build_id = {};
  Json devices = Json::Array{};  ///< objects: name, type, vram_total, vram_free ...
  Json labels = Json::Object{};
  std::string catalogue_hash = {};
  std::string models_hash = {};
  std::vector<AttemptId> running = {};
  bool busy = false;  ///< with a prompt of whichever server
  Json state = {};    ///< as Renew::state, or null
};
Message to_message(const Hello& hello);
Hello read_hello(const Message& message);

/// Permission to run, and everything that is needed for it.
struct Go {
  AttemptId id = {};
  Json prompt = {};
  std::vector<std::string> outputs = {};
  Json extra_data = Json::Object{};
  Json secrets = Json::Object{};
  std::string client_id = {};
  std::string owner = {};
  bool cancelled = false;
};
Message to_message(const Go& go);
Go read_go(const Message& message);

struct Renew {
  AttemptId id = {};
  std::uint64_t counter = 0;   ///< grows with every renewal
  std::uint64_t progress = 0;  ///< grows while the attempt gets on
  /// Memory ("devices") and the model files that are held ready ("loaded").
  Json state = Json::Object{};
};
Message to_message(const Renew& renew);
Renew read_renew(const Message& message);

struct Renewed {
  AttemptId id = {};
  std::uint64_t counter = 0;  ///< of the renewal that is answered
  bool cancel = false;
  bool lost = false;  ///< the attempt is not the current one: stop, publish nothing
};
Message to_message(const Renewed& renewed);
Renewed read_renewed(const Message& message);

/// A WebSocket text message for the prompt's client, with its place in the attempt's stream.
struct Event {
  AttemptId id = {};
  std::uint64_t seq = 0;
  std::string name = {};
  Json data = {};
  std::string owner = {};  ///< the prompt's user, for the way
};
Message to_message(Event event);
Event read_event(Message message);

struct Preview {
  AttemptId id = {};
  int kind = 1;       ///< 1, 3 or 4 of the WebSocket's binary messages
  bool keep = false;  ///< a result or text that no newer preview replaces
  Json metadata = Json::Object{};
  std::string bytes = {};
  std::string owner = {};  ///< the prompt's user, for the way
};
Message to_message(Preview preview);
Preview read_preview(Message message);
/// True for a preview that a newer one of its prompt may replace.
bool is_replaceable(const Message& message);

enum class End { succeeded, failed, cancelled };

struct Finish {
  AttemptId id = {};
  End end = End::succeeded;
  Json outputs = Json::Object{};
  Json meta = Json::Object{};
  Json messages = Json::Array{};        ///< [[name, data], ...]: the lifecycle, as history keeps it
  std::chrono::milliseconds started{};  ///< wall clock
  std::chrono::milliseconds ended{};
  std::uint64_t last_event =
      0;            ///< seq of the attempt's last event; the two may overtake each other
  Json state = {};  ///< as Renew::state, of now, or null
};
Message to_message(const Finish& finish);
Finish read_finish(Message message);

/// Asks a node's own validator, which only a worker has.
struct Question {
  std::string id = {};  ///< repeated in the answer
  std::string node_class = {};
  std::string node_id = {};
  Json literals = Json::Object{};  ///< by input
  Json types = Json::Object{};     ///< of what is linked, by input
};
Message to_message(const Question& question);
Question read_question(const Message& message);

struct Verdict {
  std::string id = {};
  std::optional<std::string> complaint = {};  ///< nothing: the validator agrees
  /// The validator itself failed: the message of its error.
  std::optional<std::string> failure = {};
};
Message to_message(const Verdict& verdict);
Verdict read_verdict(const Message& message);

}  // namespace comfy::link
