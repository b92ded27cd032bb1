// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/response_writer.h"

#include "foundation/base/error.h"
#include "frontend/server/error_reply.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

namespace comfy::server {
namespace {

namespace asio = boost::asio;
using asio::awaitable;

constexpr std::size_t kPiece = 256 * 1024;

class Writer {
 public:
  Writer(Channel& stream, Services& services) : stream_{stream}, services_{services} {}

  /// The head and the body together when they fit into one piece, else one after the other.
  awaitable<void> text(std::string head, std::string_view body) {
    const std::string_view first = body.substr(0, kPiece);
    const std::array<asio::const_buffer, 2> both{asio::buffer(head),
                                                 asio::buffer(first.data(), first.size())};
    expire();
    co_await asio::async_write(stream_, both, asio::use_awaitable);
    co_await rest(body.substr(first.size()));
  }

  awaitable<void> file(std::string head, const FileBody& file, Span span) {
    std::uint64_t at = span.begin;
    while (!head.empty() || at < span.end) {
      const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, span.end - at));
      const auto read = [descriptor = file.descriptor.get(), at, wanted] {
        return read_piece(descriptor, at, wanted);
      };
      const std::string piece = co_await services_.blocking.run(read);
      co_await text(std::exchange(head, {}), piece);
      at += piece.size();
    }
  }

  awaitable<void> produced(std::string head, const Producer& producer, bool chunks) {
    co_await rest(head);
    while (true) {
      const auto next = [&producer] { return producer(); };
      const std::optional<std::string> piece = co_await services_.blocking.run(next);
      if (!piece) break;
      if (piece->empty()) continue;
      if (!chunks) {
        co_await rest(*piece);
        continue;
      }
      std::string framed = fmt::format("{:x}\r\n", piece->size());
      framed += *piece;
      framed += "\r\n";
      co_await rest(framed);
    }
    if (chunks) co_await rest("0\r\n\r\n");
  }

 private:
  static std::string read_piece(int descriptor, std::uint64_t at, std::size_t wanted) {
    std::string piece(wanted, '\0');
    std::size_t done = 0;
    while (done < wanted) {
      const ssize_t got =
          ::pread(descriptor, piece.data() + done, wanted - done, static_cast<off_t>(at + done));
      if (got < 0 && errno == EINTR) continue;
      // A file that shrank cannot keep the promised length: the connection has to end.
      if (got <= 0) throw Error{Error::Kind::unavailable, "a file changed while it was sent"};
      done += static_cast<std::size_t>(got);
    }
    return piece;
  }

  awaitable<void> rest(std::string_view body) {
    while (!body.empty()) {
      const std::string_view piece = body.substr(0, kPiece);
      const asio::const_buffer buffer{piece.data(), piece.size()};
      expire();
      co_await asio::async_write(stream_, buffer, asio::use_awaitable);
      body.remove_prefix(piece.size());
    }
  }

  void expire() { stream_.expires_after(services_.settings.limits.write_stall); }

  Channel& stream_;
  Services& services_;
};

/// A header value must not end its line, whoever made it.
std::string_view safe_part(std::string_view value) {
  return value.substr(0, value.find_first_of(std::string_view{"\r\n\0", 3}));
}

/// Status line and header of an answer whose body has that many bytes; without a length it goes in
/// chunks or ends with the connection.
std::string head_text(const Response& response, std::optional<std::uint64_t> length,
                      WriteMode mode) {
  fmt::memory_buffer text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
  for (const auto& [name, value] : response.headers) {
    fmt::format_to(out, "{}: {}\r\n", safe_part(name), safe_part(value));
  }
  if (!length && mode.chunks_known) fmt::format_to(out, "Transfer-Encoding: chunked\r\n");
  if (length && response.status != 304 && response.status != 204) {
    fmt::format_to(out, "Content-Length: {}\r\n", *length);
  }
  if (!mode.keep_alive) fmt::format_to(out, "Connection: close\r\n");
  fmt::format_to(out, "\r\n");
  return fmt::to_string(text);
}

}  // namespace

awaitable<void> write_response(Channel& stream, const Response& response, WriteMode mode,
                               Services& services) {
  Writer writer{stream, services};
  const std::string_view nothing;
  if (const auto* file = std::get_if<FileBody>(&response.body)) {
    const Span span = file->part.value_or(Span{0, file->size});
    std::string head = head_text(response, span.end - span.begin, mode);
    if (mode.head_only) {
      co_await writer.text(std::move(head), nothing);
    } else {
      co_await writer.file(std::move(head), *file, span);
    }
    co_return;
  }
  if (const auto* producer = std::get_if<Producer>(&response.body)) {
    std::string head = head_text(response, std::nullopt, mode);
    if (mode.head_only) {
      co_await writer.text(std::move(head), nothing);
    } else {
      co_await writer.produced(std::move(head), *producer, mode.chunks_known);
    }
    co_return;
  }
  std::string_view body;
  if (const auto* text = std::get_if<std::string>(&response.body)) body = *text;
  if (const auto* bytes = std::get_if<SharedBytes>(&response.body)) body = **bytes;
  std::string head = head_text(response, body.size(), mode);
  co_await writer.text(std::move(head), mode.head_only ? nothing : body);
}

}  // namespace comfy::server
