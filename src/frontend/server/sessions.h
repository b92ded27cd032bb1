// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"
#include "foundation/base/random.h"
#include "frontend/jobs/event_sink.h"
#include "frontend/server/request.h"
#include "frontend/server/socket.h"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace comfy::server {

/// What a new session is told. Functions, so that sessions need no job store.
struct SessionHooks {
  std::function<std::size_t()> queue_remaining;  ///< pending and running
  /// Events a client missed: see Jobs::catch_up.
  std::function<std::vector<jobs::TextEvent>(const std::string& client_id,
                                             std::optional<std::uint64_t> since)>
      catch_up;
  Json features;  ///< the answer to a client's feature_flags
  /// Authentication is on: a user's sessions see that user's prompts only.
  bool per_user = false;
};

/// All WebSocket sessions, by client id. Lives on the I/O thread; EventRelay brings it what other
/// threads have to say.
class Sessions {
 public:
  Sessions(boost::asio::any_io_executor executor, const Limits& limits, Random& random,
           SessionHooks hooks);

  /// Why nobody, or not this user, may open another session; nothing when one may.
  std::optional<std::string> refusal(const access::Identity& identity) const;
  std::size_t size() const { return sockets_.size(); }
  /// How many were closed so far since they did not read.
  std::uint64_t fallen_behind() const { return fallen_behind_; }

  /// Accepts an upgrade and serves the session until it ends. `clientId` of the query names it; a
  /// session of that name that is still there is closed (4001).
  boost::asio::awaitable<void> serve(Channel channel, const Upgrade& upgrade,
                                     const Request& request);

  void deliver(const jobs::TextEvent& event);
  void deliver(const jobs::PreviewEvent& event);

  /// Whether that session gets `logs` messages.
  void subscribe_logs(const access::Identity& identity, const std::string& client_id, bool enabled);
  bool has_log_subscribers() const { return !log_subscribers_.empty(); }
  void send_logs(const SharedBytes& text);

  /// Pings and ends silent sessions. Called every second.
  void tick();
  /// Ends all sessions with 1001.
  void stop();

 private:
  using SocketPointer = std::shared_ptr<Socket>;
  /// The user, empty without authentication, and the client id: nobody takes over another user's.
  using Name = std::pair<std::string, std::string>;
  struct Session {
    SocketPointer socket;
    Name name;
  };
  Name name_of(const std::string& user, const std::string& client_id) const;
  template <class Event, class Send>
  void to_audience(const Event& event, Send send) const;
  void greet(Session& session, const Request& request);
  void on_text(Socket& socket, bool& first, std::string_view text) const;
  void remove(const Session& session);

  boost::asio::any_io_executor executor_;
  const Limits& limits_;
  Random& random_;
  SessionHooks hooks_;
  std::map<SocketPointer, std::string> sockets_;  ///< all and whose, also those being replaced
  std::map<Name, SocketPointer> by_name_;         ///< the current one of each name
  std::set<Name> log_subscribers_;
  std::uint64_t fallen_behind_ = 0;
};

/// The bytes of a binary message (http-api.md, 14.4).
SharedBytes picture_frame(const jobs::PreviewEvent& event);
SharedBytes picture_frame_with_metadata(const jobs::PreviewEvent& event);
SharedBytes text_frame(const jobs::PreviewEvent& event);
/// The same with the prompt's id before the node's, for clients that said they read it.
SharedBytes text_frame_with_prompt(const jobs::PreviewEvent& event);

/// Carries events from the threads of the job layer to the sessions, in their order.
class EventRelay final : public jobs::EventSink {
 public:
  /// `sessions` may be set before the first event only.
  explicit EventRelay(boost::asio::any_io_executor executor) : executor_{std::move(executor)} {}
  void connect(Sessions& sessions) { sessions_ = &sessions; }

  void send(const jobs::TextEvent& event) override;
  void send(const jobs::PreviewEvent& event) override;

 private:
  boost::asio::any_io_executor executor_;
  Sessions* sessions_ = nullptr;
};

}  // namespace comfy::server
