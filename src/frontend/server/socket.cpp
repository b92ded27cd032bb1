// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/socket.h"

#include "frontend/server/log.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <fmt/format.h>

namespace comfy::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
/// How long a peer may take to answer a close frame before the connection is cut.
constexpr std::chrono::seconds kClosePatience{2};

std::string_view view_of(const beast::flat_buffer& buffer) {
  const auto data = buffer.data();
  return {static_cast<const char*>(data.data()), data.size()};
}

}  // namespace

Socket::Socket(Channel channel, const Limits& limits, std::string client_id)
    : stream_{std::move(channel)},
      limits_{limits},
      client_id_{std::move(client_id)},
      wake_{stream_.get_executor(), Time::max()} {
  stream_.read_message_max(limits.socket_message);
  stream_.auto_fragment(false);
  websocket::stream_base::timeout timeouts{};
  timeouts.handshake_timeout = std::chrono::seconds{10};
  timeouts.idle_timeout = websocket::stream_base::none();
  timeouts.keep_alive_pings = false;
  stream_.set_option(timeouts);
}

boost::asio::awaitable<void> Socket::run(const Upgrade& upgrade, OnText on_text) {
  const auto self = shared_from_this();
  last_heard_ = last_ping_ = std::chrono::steady_clock::now();
  const auto heard = [this](websocket::frame_type, beast::string_view) {
    last_heard_ = std::chrono::steady_clock::now();
  };
  stream_.control_callback(heard);
  const auto [refused] = co_await stream_.async_accept(upgrade, kTuple);
  if (refused) {
    ended_ = true;
    co_return;
  }
  open_ = true;
  asio::co_spawn(stream_.get_executor(), write_loop(self), asio::detached);
  beast::flat_buffer buffer;
  while (true) {
    const auto [error, got] = co_await stream_.async_read(buffer, kTuple);
    if (error) break;
    last_heard_ = std::chrono::steady_clock::now();
    if (!within_rate(last_heard_)) {
      close(CloseCode::refused,
            fmt::format("more than {} messages a second", limits_.socket_messages_per_second));
    } else if (stream_.got_text()) {
      on_text(view_of(buffer));
    }
    buffer.consume(buffer.size());
  }
  ended_ = true;
  wake();
}

bool Socket::within_rate(Time now) {
  if (now - rate_start_ >= std::chrono::seconds{1}) {
    rate_start_ = now;
    rate_count_ = 0;
  }
  return ++rate_count_ <= limits_.socket_messages_per_second;
}

void Socket::push(Frame frame) {
  if (closing_ || ended_) return;
  const std::size_t size = frame.bytes->size();
  // The frame that goes next does not count: a single message may be larger than the limit.
  const std::size_t next =
      queue_.empty() || !queue_.front().bytes ? 0 : queue_.front().bytes->size();
  const bool full = queue_.size() >= limits_.socket_queue_frames ||
                    (!queue_.empty() && queued_bytes_ - next + size > limits_.socket_queue_bytes);
  if (full) {
    close(CloseCode::too_slow, "messages are not read as fast as they come");
    return;
  }
  queued_bytes_ += size;
  queue_.push_back(std::move(frame));
  wake();
}

void Socket::send(SharedBytes text) { push({std::move(text), true, {}}); }

void Socket::send_binary(SharedBytes bytes) { push({std::move(bytes), false, {}}); }

void Socket::send_preview(const std::string& prompt_id, SharedBytes bytes) {
  if (closing_ || ended_) return;
  const auto [place, is_new] = previews_.insert_or_assign(prompt_id, std::move(bytes));
  if (!is_new) return;
  if (queue_.size() >= limits_.socket_queue_frames) {
    previews_.erase(place);
    return;
  }
  queue_.push_back({nullptr, false, prompt_id});
  wake();
}

void Socket::hold_preview(const std::string& prompt_id, SharedBytes bytes) {
  held_previews_.insert_or_assign(prompt_id, std::move(bytes));
}

void Socket::release_preview(const std::string& prompt_id) {
  const auto held = held_previews_.find(prompt_id);
  if (held == held_previews_.end()) return;
  send_preview(prompt_id, std::move(held->second));
  held_previews_.erase(held);
}

void Socket::close(CloseCode code, std::string reason) {
  if (closing_ || ended_) return;
  log.debug("closing the socket of {}: {}", client_id_, reason);
  closing_ = websocket::close_reason{static_cast<websocket::close_code>(code), reason};
  closing_since_ = std::chrono::steady_clock::now();
  queue_.clear();
  previews_.clear();
  queued_bytes_ = 0;
  wake();
}

bool Socket::fell_behind() const {
  return closing_ && closing_->code == static_cast<std::uint16_t>(CloseCode::too_slow);
}

void Socket::tick(Time now) {
  if (!open_ || ended_) return;
  if (closing_ ? now - closing_since_ > kClosePatience
               : now - last_heard_ > limits_.socket_silence) {
    drop();
    return;
  }
  if (now - last_ping_ < limits_.socket_ping) return;
  last_ping_ = now;
  ping_due_ = true;
  wake();
}

void Socket::drop() {
  beast::get_lowest_layer(stream_).close();
  wake();
}

boost::asio::awaitable<void> Socket::write_loop(std::shared_ptr<Socket> self) {
  Socket& socket = *self;
  try {
    while (!socket.ended_ && !socket.closing_) co_await socket.write_next();
    if (socket.closing_ && !socket.ended_) co_await socket.send_close();
  } catch (const boost::system::system_error&) {
    socket.drop();  // ends the reading side too
  }
}

boost::asio::awaitable<void> Socket::send_close() {
  const websocket::close_reason reason = *closing_;
  co_await stream_.async_close(reason, asio::use_awaitable);
}

boost::asio::awaitable<void> Socket::write_next() {
  if (ping_due_) {
    ping_due_ = false;
    const websocket::ping_data nothing;
    co_await stream_.async_ping(nothing, asio::use_awaitable);
    co_return;
  }
  if (queue_.empty()) {
    co_await wake_.async_wait(kTuple);
    wake_.expires_at(Time::max());
    co_return;
  }
  Frame frame = std::move(queue_.front());
  queue_.pop_front();
  if (frame.bytes) {
    queued_bytes_ -= frame.bytes->size();
  } else {
    const auto slot = previews_.find(frame.preview_of);
    frame.bytes = std::move(slot->second);
    previews_.erase(slot);
  }
  stream_.text(frame.text);
  const auto bytes = asio::buffer(*frame.bytes);
  co_await stream_.async_write(bytes, asio::use_awaitable);
}

}  // namespace comfy::server
