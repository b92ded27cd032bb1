// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/websocket/teardown.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace comfy::server {

/// The bytes of a connection: TCP, or TLS over it. Moving it leaves the connection where it lies.
class Channel {
 public:
  using executor_type = boost::beast::tcp_stream::executor_type;
  using TlsContext = std::shared_ptr<boost::asio::ssl::context>;

  /// Without a context the bytes go as they are.
  explicit Channel(boost::beast::tcp_stream stream, TlsContext context = {})
      : state_{std::make_unique<State>(State{std::move(context), std::move(stream), {}})} {
    if (state_->context) state_->tls.emplace(state_->tcp, *state_->context);
  }

  bool is_tls() const { return state_->tls.has_value(); }
  /// The TCP stream below: its time limits and its end are those of the channel.
  boost::beast::tcp_stream& tcp() { return state_->tcp; }
  executor_type get_executor() { return state_->tcp.get_executor(); }
  boost::asio::ip::tcp::socket& socket() { return state_->tcp.socket(); }

  void expires_after(std::chrono::nanoseconds time) { state_->tcp.expires_after(time); }
  void expires_never() { state_->tcp.expires_never(); }
  void close() { state_->tcp.close(); }

  /// Agrees with the peer on keys; nothing to do without TLS. Throws boost::system::system_error.
  boost::asio::awaitable<void> handshake() {
    if (!state_->tls) co_return;
    co_await state_->tls->async_handshake(boost::asio::ssl::stream_base::server,
                                          boost::asio::use_awaitable);
  }
  /// Tells the peer that nothing more comes. Throws boost::system::system_error.
  boost::asio::awaitable<void> say_end() {
    if (state_->tls) co_await state_->tls->async_shutdown(boost::asio::use_awaitable);
    boost::system::error_code ignored;
    socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
  }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    if (state_->tls) return state_->tls->async_read_some(buffers, std::forward<Token>(token));
    return state_->tcp.async_read_some(buffers, std::forward<Token>(token));
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    if (state_->tls) return state_->tls->async_write_some(buffers, std::forward<Token>(token));
    return state_->tcp.async_write_some(buffers, std::forward<Token>(token));
  }

  // How Beast's WebSocket ends a connection below it.
  friend void beast_close_socket(Channel& channel) { channel.close(); }
  friend void teardown(boost::beast::role_type role, Channel& channel,
                       boost::system::error_code& error) {
    boost::beast::websocket::teardown(role, channel.socket(), error);
  }
  template <class Handler>
  friend void async_teardown(boost::beast::role_type role, Channel& channel, Handler&& handler) {
    boost::beast::websocket::async_teardown(role, channel.socket(), std::forward<Handler>(handler));
  }

 private:
  struct State {
    TlsContext context;
    boost::beast::tcp_stream tcp;
    std::optional<boost::asio::ssl::stream<boost::beast::tcp_stream&>> tls;
  };
  std::unique_ptr<State> state_;
};

}  // namespace comfy::server
