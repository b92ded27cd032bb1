// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/channel.h"
#include "frontend/server/response.h"
#include "frontend/server/settings.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace comfy::server {

/// Close codes of ours beside those of RFC 6455.
enum class CloseCode : std::uint16_t {
  going_away = 1001,
  refused = 1008,   ///< too many or too long messages
  replaced = 4001,  ///< another connection took over the client id
  too_slow = 4008   ///< the client does not read what it is sent
};

using Upgrade = boost::beast::http::request<boost::beast::http::empty_body>;

/// One WebSocket: a bounded queue of messages to send, and the reading of what comes in. Previews
/// take one place per prompt: a newer one overwrites an older one that still waits. Lives on the
/// I/O thread.
class Socket : public std::enable_shared_from_this<Socket> {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using OnText = std::function<void(std::string_view text)>;

  Socket(Channel channel, const Limits& limits, std::string client_id);

  /// Accepts the upgrade, then reads until the connection ends; `on_text` gets each text message.
  boost::asio::awaitable<void> run(const Upgrade& upgrade, OnText on_text);

  /// Queues a text message. Closes the socket (too_slow) when the queue is full.
  void send(SharedBytes text);
  /// Queues a binary message that must arrive.
  void send_binary(SharedBytes bytes);
  /// Queues a binary message that only matters while it is the newest of its prompt.
  void send_preview(const std::string& prompt_id, SharedBytes bytes);
  /// The same, but it waits for the next message about its prompt, which it is to follow.
  void hold_preview(const std::string& prompt_id, SharedBytes bytes);
  /// Queues the preview of that prompt that waits, if there is one.
  void release_preview(const std::string& prompt_id);
  /// Sends a close frame once the message being sent is out; what is queued is dropped.
  void close(CloseCode code, std::string reason);
  /// Pings, and ends connections that are silent or do not answer a close. Called every second.
  void tick(Time now);

  const std::string& client_id() const { return client_id_; }
  /// It was closed since it did not read what it was sent.
  bool fell_behind() const;
  /// The client understands pictures with metadata (binary type 4).
  bool takes_metadata = false;
  /// The client understands texts that name their prompt (binary type 3, longer form).
  bool takes_text_metadata = false;

 private:
  struct Frame {
    SharedBytes bytes;  ///< null for a preview: it lies in previews_
    bool text = true;
    std::string preview_of;  ///< prompt id
  };
  void push(Frame frame);
  void wake() { wake_.cancel(); }
  void drop();
  static boost::asio::awaitable<void> write_loop(std::shared_ptr<Socket> self);
  boost::asio::awaitable<void> write_next();
  boost::asio::awaitable<void> send_close();
  bool within_rate(Time now);

  boost::beast::websocket::stream<Channel> stream_;
  const Limits& limits_;
  std::string client_id_;
  boost::asio::steady_timer wake_;
  std::deque<Frame> queue_;
  std::size_t queued_bytes_ = 0;
  std::map<std::string, SharedBytes> previews_;
  std::map<std::string, SharedBytes> held_previews_;
  bool open_ = false;   ///< accepted and not yet ended
  bool ended_ = false;  ///< nothing is read or written any more
  bool ping_due_ = false;
  std::optional<boost::beast::websocket::close_reason> closing_;
  Time closing_since_{};
  Time last_heard_{};
  Time last_ping_{};
  Time rate_start_{};
  std::size_t rate_count_ = 0;
};

}  // namespace comfy::server
