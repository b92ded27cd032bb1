// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/connection.h"

#include "foundation/base/clock.h"
#include "foundation/base/error.h"
#include "frontend/server/admission.h"
#include "frontend/server/answer.h"
#include "frontend/server/body_sink.h"
#include "frontend/server/error_reply.h"
#include "frontend/server/framing.h"
#include "frontend/server/log.h"
#include "frontend/server/metrics.h"
#include "frontend/server/response_writer.h"
#include "frontend/server/services.h"
#include "frontend/server/sessions.h"
#include "frontend/server/watch.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace comfy::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using Parser = http::request_parser<http::buffer_body>;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kReadPiece = 64 * 1024;

/// The peer is gone or broke the protocol beyond an answer: end without a word.
struct Ended {};

/// A refusal that comes before any handler and closes the connection.
struct Refused {
  Response response;
};

std::string to_text(beast::string_view text) { return {text.data(), text.size()}; }

/// The path of a target in origin or absolute form.
std::string_view path_and_query(std::string_view target) {
  if (target.starts_with('/')) return target;
  const std::size_t scheme = target.find("://");
  if (scheme == std::string_view::npos) return "/";
  const std::size_t path = target.find_first_of("/?", scheme + 3);
  return path == std::string_view::npos ? "/" : target.substr(path);
}

Request request_of(const Parser& parser, const std::string& remote, bool secure) {
  const auto& message = parser.get();
  Request request;
  request.method = method_of(to_text(message.method_string()));
  request.target = to_text(message.target());
  const std::string_view target = path_and_query(request.target);
  request.path = target.substr(0, target.find('?'));
  for (const auto& field : message.base()) {
    request.headers.add(to_text(field.name_string()), to_text(field.value()));
  }
  request.remote_address = remote;
  request.secure = secure;
  return request;
}

/// The limits of a head that the parser does not know of, and what it lets pass that other readers
/// of HTTP take for something else. Throws Refused.
void check_head(const Request& request, unsigned http_version, const Limits& limits) {
  if (const auto unclear = unclear_length(request.headers, http_version)) {
    throw Refused{text_response("malformed request: " + *unclear, 400)};
  }
  if (request.target.size() + 16 > limits.request_line) {
    throw Refused{text_response(
        fmt::format("the request line must not exceed {} bytes", limits.request_line), 414)};
  }
  if (request.headers.size() > limits.header_count) {
    throw Refused{text_response(fmt::format("a request may have {} header fields, got {}",
                                            limits.header_count, request.headers.size()),
                                431)};
  }
  for (const auto& [name, value] : request.headers) {
    if (name.size() + value.size() <= limits.header_field) continue;
    throw Refused{text_response(
        fmt::format("a header field must not exceed {} bytes, \"{}\" has {}", limits.header_field,
                    name.substr(0, 64), name.size() + value.size()),
        431)};
  }
}

std::string address_of(Channel& channel) {
  error_code error;
  const auto peer = channel.socket().remote_endpoint(error);
  return error ? std::string{} : peer.address().to_string();
}

class Connection {
 public:
  Connection(Channel channel, Front& front)
      : stream_{std::move(channel)},
        front_{front},
        limits_{front.services.settings.limits},
        watch_{stream_.tcp()},
        remote_{address_of(stream_)},
        handle_{front.connections.add(stream_.tcp(), remote_)} {}
  ~Connection() { front_.connections.remove(handle_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  awaitable<void> run() {
    try {
      stream_.expires_after(limits_.header_time);
      co_await stream_.handshake();
      bool goes_on = true;
      while (goes_on && !front_.connections.stopping()) {
        goes_on = co_await serve_one();
      }
      co_await close_gently();
    } catch (const Ended&) {
    } catch (const boost::system::system_error&) {
    } catch (const Error& error) {
      log.debug("a connection ended: {}", error.message);
    }
  }

 private:
  /// One request and its answer. True when another may follow.
  awaitable<bool> serve_one() {
    Parser parser;
    std::optional<Response> refusal;
    Request request;
    try {
      co_await read_head(parser);
      handle_->answers = true;
      request = request_of(parser, remote_, stream_.is_tls());
      check_head(request, parser.get().version(), limits_);
      front_.proxies.apply(request);
    } catch (Refused& refused) {
      refusal = std::move(refused.response);
    }
    if (refusal) {
      co_await refuse(*std::move(refusal), request);
      co_return false;
    }
    const bool head_only = request.method == Method::head;
    if (head_only) request.method = Method::get;
    const RouteMatch match = request.method == Method::options
                                 ? RouteMatch{}
                                 : front_.routes.match(request.method, request.path);
    refusal = co_await admitted(request, match.route);
    if (refusal) {
      // A refusal closes: the body was not read, and the next bytes may be part of it.
      if (head_only) request.method = Method::head;
      co_await refuse(*std::move(refusal), request);
      co_return false;
    }
    if (request.identity.authenticated && !request.identity.user.empty()) {
      front_.connections.know(handle_);
    }
    if (is_socket(request) && beast::websocket::is_upgrade(parser.get())) {
      co_await upgrade(parser, std::move(request));
      co_return false;
    }
    co_return co_await exchange(parser, request, match, head_only);
  }

  awaitable<std::optional<Response>> admitted(Request& request, const Route* route) {
    std::optional<Response> failed;
    try {
      co_return co_await admit(request, route, front_);
    } catch (...) {
      failed = error_reply_for_current_exception();
    }
    co_return failed;
  }

  /// Reads the body, has the request answered and sends the answer.
  awaitable<bool> exchange(Parser& parser, Request& request, const RouteMatch& match,
                           bool head_only) {
    const auto begin = std::chrono::steady_clock::now();
    std::optional<Response> response;
    bool body_read = true;
    try {
      const std::size_t query = request.target.find('?');
      if (query != std::string::npos) {
        request.query = Query{std::string_view{request.target}.substr(query + 1)};
      }
      const bool upload = match.route != nullptr && match.route->body == BodyLimit::upload;
      request.body = co_await read_body(parser, upload ? limits_.upload_body : limits_.small_body);
    } catch (Refused& refused) {
      response = std::move(refused.response);
      body_read = false;
    } catch (const Error&) {
      response = error_reply_for_current_exception();
      body_read = false;
    }
    if (!response && request.method == Method::options) response = empty_response(200);
    if (!response && is_socket(request)) {
      const auto upgrade = request.headers.find("Upgrade").value_or("None");
      response = text_response(
          fmt::format("No WebSocket UPGRADE hdr: {}\n Can \"Upgrade\" only to \"WebSocket\".",
                      upgrade),
          400);
    }
    if (!response) response = co_await answer(request, match, front_);
    const bool keep_alive =
        body_read && parser.keep_alive() && !front_.connections.stopping() &&
        (chunks_known(parser) || !std::holds_alternative<Producer>(response->body));
    co_await send(*response, request, WriteMode{head_only, keep_alive, chunks_known(parser)});
    handle_->answers = false;
    front_.services.metrics.count(request.method, match.route ? match.route->pattern : "other",
                                  response->status, std::chrono::steady_clock::now() - begin);
    co_return keep_alive;
  }

  static bool is_socket(const Request& request) {
    return request.path == "/ws" || request.path == "/api/ws";
  }

  static bool chunks_known(const Parser& parser) { return parser.get().version() >= 11; }

  awaitable<void> send(Response& response, const Request& request, WriteMode mode) {
    co_await complete(response, request, front_);
    co_await write_response(stream_, response, mode, front_.services);
  }

  awaitable<void> refuse(Response response, const Request& request) {
    const WriteMode mode{request.method == Method::head, false, true};
    co_await send(response, request, mode);
  }

  /// Waits for a request (idle time), then reads its head (header time).
  awaitable<void> read_head(Parser& parser) {
    if (buffer_.size() == 0) {
      stream_.expires_after(limits_.idle_time);
      const auto space = buffer_.prepare(4096);
      const auto [error, got] = co_await stream_.async_read_some(space, kTuple);
      if (error) throw Ended{};
      buffer_.commit(got);
    }
    parser.header_limit(static_cast<std::uint32_t>(limits_.header_total + limits_.request_line));
    parser.body_limit(boost::none);
    stream_.expires_never();
    watch_.arm(std::chrono::steady_clock::now() + limits_.header_time);
    const auto [error, got] = co_await http::async_read_header(stream_, buffer_, parser, kTuple);
    watch_.disarm();
    if (!error) co_return;
    if (watch_.has_fired()) {
      throw Refused{text_response(
          fmt::format("the request head must arrive within {} ms", limits_.header_time.count()),
          408)};
    }
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      throw Refused{text_response(
          fmt::format("the request head must not exceed {} bytes", limits_.header_total), 431)};
    }
    if (error.category() == make_error_code(http::error::bad_method).category() &&
        error != http::error::end_of_stream && error != http::error::partial_message) {
      throw Refused{text_response("malformed request: " + fault_of(error), 400)};
    }
    throw Ended{};
  }

  /// What is wrong with a head in more words than the parser has, where it is about its length.
  static std::string fault_of(const error_code& error) {
    if (error == http::error::bad_content_length || error == http::error::bad_transfer_encoding)
      return "expected one Content-Length in digits or \"Transfer-Encoding: chunked\", got another";
    return error.message();
  }

  awaitable<Body> read_body(Parser& parser, std::size_t limit) {
    if (parser.is_done()) co_return Body{};
    const auto announced = parser.content_length();
    if (announced && *announced > limit) throw too_large(limit, *announced);
    co_await continue_if_expected(parser);
    BodySink sink{limits_.body_in_memory, front_.services.settings.temporary};
    std::vector<char> piece(kReadPiece);
    stream_.expires_never();
    const auto start = std::chrono::steady_clock::now();
    while (!parser.is_done()) {
      auto& space = parser.get().body();
      space.data = piece.data();
      space.size = piece.size();
      space.more = true;
      watch_.arm(deadline(start, sink.received()));
      auto [error, ignored] = co_await http::async_read_some(stream_, buffer_, parser, kTuple);
      if (error == http::error::need_buffer) error = {};
      if (error && watch_.has_fired()) throw Refused{too_slow()};
      if (error) throw_body_error(error);
      sink.add({piece.data(), piece.size() - space.size});
      if (sink.received() > limit) throw too_large(limit, sink.received());
      if (sink.is_full()) {
        const auto flush = [&sink] { sink.flush(); };
        co_await front_.services.blocking.run(flush);
      }
    }
    watch_.disarm();
    if (!sink.is_spilled()) co_return sink.finish();
    const auto finish = [&sink] { return sink.finish(); };
    co_return co_await front_.services.blocking.run(finish);
  }

  [[noreturn]] static void throw_body_error(const error_code& error) {
    if (error.category() != make_error_code(http::error::bad_method).category() ||
        error == http::error::end_of_stream || error == http::error::partial_message) {
      throw Ended{};
    }
    throw Refused{text_response("malformed request body: " + error.message(), 400)};
  }

  awaitable<void> continue_if_expected(const Parser& parser) {
    const auto expected = parser.get().find(http::field::expect);
    if (expected == parser.get().end() || !beast::iequals(expected->value(), "100-continue")) {
      co_return;
    }
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    stream_.expires_after(limits_.write_stall);
    const asio::const_buffer bytes{kContinue.data(), kContinue.size()};
    co_await asio::async_write(stream_, bytes, asio::use_awaitable);
  }

  /// When the body must have gone on: after the grace time its average rate counts, and a pause is
  /// never longer than that time.
  std::chrono::steady_clock::time_point deadline(std::chrono::steady_clock::time_point start,
                                                 std::size_t received) const {
    const auto earned = std::chrono::milliseconds{received * 1000 / limits_.body_rate};
    const auto pause =
        std::chrono::steady_clock::now() + std::max(limits_.body_grace, limits_.write_stall);
    return std::min<std::chrono::steady_clock::time_point>(start + limits_.body_grace + earned,
                                                           pause);
  }

  static Refused too_large(std::size_t limit, std::uint64_t actual) {
    return {text_response(
        fmt::format("Maximum request body size {} exceeded, actual body size {}", limit, actual),
        413)};
  }

  Response too_slow() const {
    return text_response(
        fmt::format("a request body must arrive at {} bytes a second or faster", limits_.body_rate),
        408);
  }

  awaitable<void> upgrade(Parser& parser, Request request) {
    std::optional<Response> refusal = refused_handshake(request.headers);
    // What comes before the answer would be lost, or is the next request to somebody else's eyes.
    if (!refusal && buffer_.size() > 0) {
      refusal =
          text_response("expected frames after the answer to a handshake, got them before it", 400);
    }
    try {
      if (const std::size_t query = request.target.find('?'); query != std::string::npos) {
        request.query = Query{std::string_view{request.target}.substr(query + 1)};
      }
    } catch (const Error& error) {
      refusal = error_reply(error);
    }
    if (const auto full = front_.services.sessions.refusal(request.identity); !refusal && full) {
      refusal = text_response(*full, 503);
    }
    if (refusal) {
      co_await refuse(*std::move(refusal), request);
      co_return;
    }
    handle_->stream = nullptr;  // From here on the session ends its socket itself.
    stream_.expires_never();
    const auto message = http::request<http::empty_body>{parser.get().base()};
    co_await front_.services.sessions.serve(std::move(stream_), message, request);
    throw Ended{};
  }

  /// Lets the last answer arrive although unread bytes of the request may still come in.
  awaitable<void> close_gently() {
    stream_.expires_after(std::chrono::seconds{2});
    co_await stream_.say_end();
    std::vector<char> waste(kReadPiece);
    for (int i = 0; i < 64; ++i) {
      const auto space = asio::buffer(waste);
      const auto [error, got] = co_await stream_.async_read_some(space, kTuple);
      if (error) break;
    }
  }

  Channel stream_;
  Front& front_;
  const Limits& limits_;
  Watch watch_;
  std::string remote_;
  Connections::Handle handle_;
  beast::flat_buffer buffer_;
};

}  // namespace

void Connections::know(Handle handle) {
  if (!std::exchange(handle->is_stranger, false)) return;
  const auto found = strangers_.find(handle->address);
  if (--found->second == 0) strangers_.erase(found);
}

std::size_t Connections::strangers(const std::string& address) const {
  const auto found = strangers_.find(address);
  return found == strangers_.end() ? 0 : found->second;
}

void Connections::stop_idle() {
  stopping_ = true;
  for (const Entry& entry : entries_) {
    if (entry.stream != nullptr && !entry.answers) entry.stream->cancel();
  }
}

void Connections::stop_all() {
  stopping_ = true;
  for (const Entry& entry : entries_) {
    if (entry.stream != nullptr) entry.stream->cancel();
  }
}

awaitable<void> serve_connection(Channel channel, Front& front) {
  Connection connection{std::move(channel), front};
  co_await connection.run();
}

}  // namespace comfy::server
