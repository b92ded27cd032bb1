// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include <chrono>
#include <cstdint>
#include <memory>

namespace comfy::server {

/// Cancels what a stream waits for once a time has come. The limit that the stream itself offers
/// closes the connection; after this one an answer can still be sent.
class Watch {
 public:
  explicit Watch(boost::beast::tcp_stream& stream)
      : timer_{stream.get_executor()}, state_{std::make_shared<State>(State{&stream})} {}
  ~Watch() { disarm(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void arm(std::chrono::steady_clock::time_point end) {
    state_->fired = false;
    const std::uint64_t round = ++state_->round;
    timer_.expires_at(end);
    timer_.async_wait([state = state_, round](boost::system::error_code error) {
      // A wait that ended just before it was replaced must not hit what came after it.
      if (error || round != state->round) return;
      state->fired = true;
      state->stream->cancel();
    });
  }
  void disarm() {
    ++state_->round;
    timer_.cancel();
  }
  /// Whether the last wait was cut short.
  bool has_fired() const { return state_->fired; }

 private:
  struct State {
    boost::beast::tcp_stream* stream = nullptr;
    std::uint64_t round = 0;
    bool fired = false;
  };
  boost::asio::steady_timer timer_;
  std::shared_ptr<State> state_;
};

}  // namespace comfy::server
