// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/health/health_port.h"

#include "foundation/base/error.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>

#include <chrono>
#include <thread>

namespace comfy::health {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr std::chrono::seconds kPatience{5};
constexpr std::chrono::milliseconds kAfterError{100};
constexpr std::size_t kMaxHead = 8192;
constexpr int kMaxConnections = 32;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

tcp::acceptor listen_on(asio::io_context& io, const std::string& address, std::uint16_t port) {
  boost::system::error_code error;
  const asio::ip::address parsed = asio::ip::make_address(address, error);
  if (error)
    throw Error(Error::Kind::invalid_input,
                fmt::format("an address expected for the health port, got \"{}\"", address));
  const tcp::endpoint endpoint{parsed, port};
  try {
    tcp::acceptor acceptor{io, endpoint.protocol()};
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    if (parsed.is_v6()) acceptor.set_option(asio::ip::v6_only(true));
    acceptor.bind(endpoint);
    acceptor.listen();
    return acceptor;
  } catch (const boost::system::system_error& taken) {
    throw Error(Error::Kind::unavailable,
                fmt::format("health port {} of {}: {}", port, address, taken.code().message()));
  }
}

/// The text format of Prometheus, version 0.0.4.
std::string text_of(const std::vector<Figure>& figures) {
  std::string text;
  for (const auto& [name, help, kind, value] : figures)
    text += fmt::format(
        "# HELP comfyui_worker_{0} {1}\n# TYPE comfyui_worker_{0} {2}\n"
        "comfyui_worker_{0} {3}\n",
        name, help, kind == Figure::Kind::counter ? "counter" : "gauge", value);
  return text;
}

}  // namespace

struct HealthPort::State {
  asio::io_context io{1};
  std::vector<tcp::acceptor> acceptors;
  std::function<Report()> report;
  std::function<std::vector<Figure>()> figures;
  int connections = 0;
  std::thread thread;

  http::response<http::string_body> answer(const http::request<http::empty_body>& request) const {
    http::response<http::string_body> response{http::status::ok, request.version()};
    response.keep_alive(false);
    response.set(http::field::content_type, "application/json; charset=utf-8");
    response.set(http::field::cache_control, "no-store");
    Json body = Json::Object{{"status", "ok"}};
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
      response.result(http::status::method_not_allowed);
      body = Json::Object{{"error", "GET expected"}};
    } else if (request.target() == "/readyz") {
      const Report now = report();
      if (!now.ready) response.result(http::status::service_unavailable);
      body = Json::Object{{"status", now.ready ? "ready" : "not ready"}, {"parts", now.parts}};
    } else if (request.target() != "/healthz" && request.target() != "/metrics") {
      response.result(http::status::not_found);
      body = Json::Object{{"error", "/healthz, /readyz or /metrics expected"}};
    }
    response.body() = to_compact_json(body);
    if (request.target() == "/metrics" && response.result() == http::status::ok) {
      response.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
      response.body() = text_of(figures());
    }
    response.prepare_payload();
    if (request.method() == http::verb::head) response.body().clear();
    return response;
  }

  /// Counts a conversation while it lasts, however it ends.
  class Counted {
   public:
    explicit Counted(int& connections) : connections_{connections} { ++connections_; }
    ~Counted() { --connections_; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

   private:
    int& connections_;
  };

  asio::awaitable<void> converse(tcp::socket socket) {
    const Counted counted{connections};
    beast::tcp_stream stream{std::move(socket)};
    stream.expires_after(kPatience);
    beast::flat_buffer buffer{kMaxHead};
    http::request_parser<http::empty_body> parser;
    parser.header_limit(kMaxHead);
    const auto [unread, size] = co_await http::async_read_header(stream, buffer, parser, kTuple);
    if (!unread) {
      const auto response = answer(parser.get());
      co_await http::async_write(stream, response, kTuple);
    }
    boost::system::error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

  asio::awaitable<void> accept(tcp::acceptor& acceptor) {
    asio::steady_timer pause{io};
    while (acceptor.is_open()) {
      auto [error, socket] = co_await acceptor.async_accept(kTuple);
      if (error) {
        // No descriptor is free, most likely, and none will be at once.
        pause.expires_after(kAfterError);
        co_await pause.async_wait(kTuple);
        continue;
      }
      // Beyond the limit a connection is closed unread.
      if (connections >= kMaxConnections) continue;
      asio::co_spawn(io, converse(std::move(socket)), asio::detached);
    }
  }
};

HealthPort::HealthPort(const std::vector<std::string>& addresses, std::uint16_t port)
    : state_{std::make_unique<State>()} {
  for (const std::string& address : addresses)
    state_->acceptors.push_back(listen_on(state_->io, address, port));
}

HealthPort::~HealthPort() {
  state_->io.stop();
  if (state_->thread.joinable()) state_->thread.join();
}

std::uint16_t HealthPort::port() const { return state_->acceptors.front().local_endpoint().port(); }

void HealthPort::serve(std::function<Report()> report,
                       std::function<std::vector<Figure>()> figures) {
  state_->report = std::move(report);
  state_->figures = std::move(figures);
  for (tcp::acceptor& acceptor : state_->acceptors)
    asio::co_spawn(state_->io, state_->accept(acceptor), asio::detached);
  state_->thread = std::thread{[this] { state_->io.run(); }};
}

}  // namespace comfy::health
