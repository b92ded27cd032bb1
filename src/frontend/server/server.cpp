// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/server.h"

#include "foundation/base/error.h"
#include "frontend/server/log.h"
#include "frontend/server/log_ring.h"
#include "frontend/server/sessions.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <array>

namespace comfy::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

/// How long connections may take to notice that they were cut.
constexpr std::chrono::seconds kCutPatience{3};

std::string machine_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

/// The address of a --listen value: a literal, or a name looked up now and never again.
asio::ip::address resolve(asio::io_context& io, const std::string& text) {
  error_code error;
  const asio::ip::address address = asio::ip::make_address(text, error);
  if (!error) return address;
  tcp::resolver resolver{io};
  const auto found = resolver.resolve(text, "", error);
  if (error || found.empty()) {
    throw Error{
        Error::Kind::invalid_input,
        fmt::format("--listen must be an IP address or a name of this machine, got \"{}\"", text)};
  }
  return found.begin()->endpoint().address();
}

}  // namespace

void require_safe_address(const asio::ip::address& address, const Settings& settings) {
  if (address.is_loopback()) return;
  if (!settings.insecure_no_auth) {
    throw Error{
        Error::Kind::invalid_input,
        fmt::format(
            "listening on {} would let anybody in the network use this machine: there is no "
            "authentication yet. Listen on 127.0.0.1, or add --insecure-no-auth if the "
            "network is trusted",
            address.to_string())};
  }
  log.warn("listening on {} without authentication: anybody who reaches it can use this machine",
           address.to_string());
}

Server::Server(asio::io_context& io, Services& services, const RouteTable& routes,
               StaticFiles& files)
    : io_{io},
      services_{services},
      origins_{services.settings, machine_name()},
      front_{services, routes, origins_, files, connections_},
      tick_{io} {
  if (services.settings.cors_origin == "*") {
    log.warn("--enable-cors-header *: every web page may use this server");
  }
}

void Server::listen() {
  std::uint16_t port = services_.settings.port;
  for (const std::string& text : services_.settings.listen) {
    const asio::ip::address address = resolve(io_, text);
    require_safe_address(address, services_.settings);
    open(address, port);
    port = this->port();  // "any free port" means the same one for every address
  }
  for (Acceptor& acceptor : acceptors_) {
    asio::co_spawn(io_, accept_loop(acceptor), asio::detached);
  }
  asio::co_spawn(io_, tick_loop(), asio::detached);
}

void Server::open(const asio::ip::address& address, std::uint16_t port) {
  const tcp::endpoint endpoint{address, port};
  Acceptor acceptor{io_};
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address{true}, error);
  if (!error && address.is_v6()) acceptor.set_option(asio::ip::v6_only{true}, error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (error) {
    throw Error{Error::Kind::unavailable, fmt::format("{} port {} could not be opened: {}",
                                                      address.to_string(), port, error.message())};
  }
  acceptors_.push_back(std::move(acceptor));
}

std::vector<std::string> Server::urls() const {
  std::vector<std::string> urls;
  for (const Acceptor& acceptor : acceptors_) {
    const tcp::endpoint endpoint = acceptor.local_endpoint();
    const std::string host = endpoint.address().to_string();
    urls.push_back(endpoint.address().is_v6() ? fmt::format("http://[{}]:{}", host, endpoint.port())
                                              : fmt::format("http://{}:{}", host, endpoint.port()));
  }
  return urls;
}

std::uint16_t Server::port() const {
  return acceptors_.empty() ? services_.settings.port : acceptors_.front().local_endpoint().port();
}

bool Server::may_connect(const asio::ip::address& address) const {
  const Limits& limits = services_.settings.limits;
  if (connections_.size() >= limits.connections) return false;
  const auto found = per_address_.find(address);
  return address.is_loopback() || found == per_address_.end() ||
         found->second < limits.connections_per_address;
}

awaitable<void> Server::accept_loop(Acceptor& acceptor) {
  while (acceptor.is_open()) {
    auto [error, socket] = co_await acceptor.async_accept(kTuple);
    if (error == asio::error::operation_aborted) break;
    if (error) {
      // Out of descriptors, most likely: give those that are open a moment to end.
      log.warn("a connection could not be accepted: {}", error.message());
      asio::steady_timer pause{io_, std::chrono::milliseconds{100}};
      co_await pause.async_wait(kTuple);
      continue;
    }
    asio::co_spawn(io_, serve(std::move(socket)), asio::detached);
  }
}

awaitable<void> Server::serve(tcp::socket socket) {
  error_code error;
  const auto peer = socket.remote_endpoint(error);
  if (error || !may_connect(peer.address())) co_return;
  socket.set_option(tcp::no_delay{true}, error);
  const asio::ip::address address = peer.address();
  ++per_address_[address];
  boost::beast::tcp_stream stream{std::move(socket)};
  co_await serve_connection(std::move(stream), front_);
  if (--per_address_[address] == 0) per_address_.erase(address);
}

awaitable<void> Server::tick_loop() {
  while (!connections_.stopping() || services_.sessions.size() > 0) {
    tick_.expires_after(std::chrono::seconds{1});
    co_await tick_.async_wait(kTuple);
    services_.sessions.tick();
  }
}

awaitable<bool> Server::all_ended(std::chrono::milliseconds patience) const {
  const auto end = std::chrono::steady_clock::now() + patience;
  asio::steady_timer pause{io_};
  while (connections_.size() > 0 && std::chrono::steady_clock::now() < end) {
    pause.expires_after(std::chrono::milliseconds{5});
    co_await pause.async_wait(kTuple);
  }
  co_return connections_.size() == 0;
}

awaitable<bool> Server::stop(std::chrono::milliseconds patience) {
  for (Acceptor& acceptor : acceptors_) {
    error_code ignored;
    acceptor.close(ignored);
  }
  services_.sessions.stop();
  connections_.stop_idle();
  bool ended = co_await all_ended(patience);
  if (!ended) {
    connections_.stop_all();
    ended = co_await all_ended(kCutPatience);
  }
  tick_.cancel();
  co_return ended;
}

}  // namespace comfy::server
