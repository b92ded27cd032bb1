// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/connection.h"
#include "frontend/server/services.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace comfy::server {

/// The listening side: opens the addresses, accepts connections within their limits, stops in
/// order. Everything happens on the thread that runs `io`.
class Server {
 public:
  Server(boost::asio::io_context& io, Services& services, const RouteTable& routes,
         StaticFiles& files);

  /// Opens every address of the settings and begins to accept. Throws Error(invalid_input) for an
  /// address that is no address or not allowed without authentication, Error(unavailable) for one
  /// that cannot be opened.
  void listen();
  /// The addresses in the form people open them, for instance "http://127.0.0.1:8188".
  std::vector<std::string> urls() const;
  /// Reads certificate and key anew, for connections from now on. Throws Error(invalid_input) and
  /// keeps those it has when they cannot be used.
  void reload_tls();
  std::uint16_t port() const;

  /// Takes no connection any more, lets requests under way end within `patience`, ends sessions.
  /// True once nothing of it waits on `io` any more, so that its run() comes to an end; false when
  /// something did not let itself be ended: then neither this object nor `io` may be taken apart.
  boost::asio::awaitable<bool> stop(std::chrono::milliseconds patience);

 private:
  using Acceptor = boost::asio::ip::tcp::acceptor;
  void open(const boost::asio::ip::address& address, std::uint16_t port);
  boost::asio::awaitable<void> accept_loop(Acceptor& acceptor);
  boost::asio::awaitable<void> serve(boost::asio::ip::tcp::socket socket);
  boost::asio::awaitable<void> tick_loop();
  boost::asio::awaitable<bool> all_ended(std::chrono::milliseconds patience) const;
  /// Why a connection of that address is one too many; empty when it is not.
  std::string refusal(const boost::asio::ip::address& address) const;
  boost::asio::awaitable<void> turn_away(boost::asio::ip::tcp::socket socket, std::string reason);

  boost::asio::io_context& io_;
  Services& services_;
  OriginRules origins_;
  TrustedProxies proxies_;
  Channel::TlsContext tls_;
  Connections connections_;
  Front front_;
  std::vector<Acceptor> acceptors_;
  std::size_t turned_away_ = 0;
  boost::asio::steady_timer tick_;
};

/// The addresses of the settings, names looked up now and never again. Throws Error(invalid_input)
/// for what is none.
std::vector<boost::asio::ip::address> listen_addresses(boost::asio::io_context& io,
                                                       const Settings& settings);
/// Whether somebody else than this machine's own users can reach them.
bool is_reachable_from_outside(const std::vector<boost::asio::ip::address>& addresses);

}  // namespace comfy::server
