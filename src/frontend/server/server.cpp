// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/server.h"

#include "foundation/base/error.h"
#include "frontend/access/gate.h"
#include "frontend/server/log.h"
#include "frontend/server/log_ring.h"
#include "frontend/server/sessions.h"
#include "frontend/server/tls.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

namespace comfy::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

/// So many refusals are under way at once; more are cut without a word.
constexpr std::size_t kMostTurnedAway = 256;
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

/// The addresses of this machine that "any address" stands for, those for other machines first.
std::vector<asio::ip::address> addresses_behind(const asio::ip::address& address) {
  if (!address.is_unspecified()) return {address};
  std::vector<asio::ip::address> found;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) == 0) {
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner{all, &::freeifaddrs};
    for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
      // A link's own IPv6 addresses need the name of the link too; nobody opens those.
      if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET || address.is_v6()) {
        continue;
      }
      const auto* socket = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
      const asio::ip::address_v4 own{ntohl(socket->sin_addr.s_addr)};
      if (!own.is_loopback()) found.emplace_back(own);
    }
  }
  if (address.is_v6()) {
    found.emplace_back(asio::ip::address_v6::loopback());
  } else {
    found.emplace_back(asio::ip::address_v4::loopback());
  }
  return found;
}

}  // namespace

std::vector<asio::ip::address> listen_addresses(asio::io_context& io, const Settings& settings) {
  std::vector<asio::ip::address> addresses;
  for (const std::string& text : settings.listen) addresses.push_back(resolve(io, text));
  return addresses;
}

bool is_reachable_from_outside(const std::vector<asio::ip::address>& addresses) {
  return std::ranges::any_of(
      addresses, [](const asio::ip::address& address) { return !address.is_loopback(); });
}

Server::Server(asio::io_context& io, Services& services, const RouteTable& routes,
               StaticFiles& files)
    : io_{io},
      services_{services},
      origins_{services.settings, machine_name(),
               services.gate.is_on() ? OriginRules::Keys::needed : OriginRules::Keys::needless},
      proxies_{services.settings.trusted_proxies},
      tls_{make_tls_context(services.settings.tls)},
      front_{services, routes, origins_, files, connections_, proxies_},
      tick_{io} {
  if (services.settings.cors_origin == "*") {
    log.warn("--enable-cors-header *: every web page may use this server");
  }
}

void Server::listen() {
  std::uint16_t port = services_.settings.port;
  const auto addresses = listen_addresses(io_, services_.settings);
  if (is_reachable_from_outside(addresses) && !services_.gate.is_on()) {
    // main turns authentication on; this is for the one who forgets to.
    if (!services_.settings.insecure_no_auth) {
      throw Error{Error::Kind::invalid_input,
                  "listening on an address that is not loopback needs authentication"};
    }
    log.warn("serving without authentication: anybody who reaches this machine can use it");
  }
  for (const asio::ip::address& address : addresses) {
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
  const char* scheme = tls_ ? "https" : "http";
  for (const Acceptor& acceptor : acceptors_) {
    const tcp::endpoint endpoint = acceptor.local_endpoint();
    for (const asio::ip::address& address : addresses_behind(endpoint.address())) {
      const std::string host = address.to_string();
      urls.push_back(address.is_v6() ? fmt::format("{}://[{}]:{}", scheme, host, endpoint.port())
                                     : fmt::format("{}://{}:{}", scheme, host, endpoint.port()));
    }
  }
  return urls;
}

void Server::reload_tls() { tls_ = make_tls_context(services_.settings.tls); }

std::uint16_t Server::port() const {
  return acceptors_.empty() ? services_.settings.port : acceptors_.front().local_endpoint().port();
}

std::string Server::refusal(const asio::ip::address& address) const {
  const Limits& limits = services_.settings.limits;
  if (connections_.size() >= limits.connections) {
    return fmt::format("this server holds {} connections at most", limits.connections);
  }
  if (address.is_loopback() || proxies_.trusts(address)) return {};
  if (connections_.strangers(address.to_string()) < limits.connections_per_address) return {};
  return fmt::format("an address may hold {} connections without a key",
                     limits.connections_per_address);
}

awaitable<void> Server::turn_away(tcp::socket socket, std::string reason) {
  // Written without waiting, so that a crowd at the door costs next to nothing.
  const std::string text = fmt::format(
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "Content-Length: {}\r\nRetry-After: 5\r\nConnection: close\r\n\r\n{}",
      reason.size(), reason);
  error_code ignored;
  socket.non_blocking(true, ignored);
  if (!tls_) socket.write_some(asio::buffer(text), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
  // What the peer sent already must be read, or the answer is lost with the reset.
  std::array<char, 4096> waste{};
  asio::steady_timer patience{io_, std::chrono::milliseconds{200}};
  co_await patience.async_wait(kTuple);
  socket.read_some(asio::buffer(waste), ignored);
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
  if (error) co_return;
  if (std::string reason = refusal(peer.address()); !reason.empty()) {
    if (turned_away_ >= kMostTurnedAway) co_return;
    ++turned_away_;
    co_await turn_away(std::move(socket), std::move(reason));
    --turned_away_;
    co_return;
  }
  socket.set_option(tcp::no_delay{true}, error);
  Channel channel{boost::beast::tcp_stream{std::move(socket)}, tls_};
  co_await serve_connection(std::move(channel), front_);
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
