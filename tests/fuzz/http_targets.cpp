// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/strings.h"
#include "frontend/access/gate.h"
#include "frontend/server/conditional.h"
#include "frontend/server/fields.h"
#include "frontend/server/files/multipart.h"
#include "frontend/server/framing.h"
#include "frontend/server/origin_rules.h"
#include "frontend/server/trusted_proxies.h"
#include "refusing.h"
#include "targets.h"

#include <boost/asio/io_context.hpp>
#include <boost/beast/_experimental/test/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <boost/optional.hpp>

#include <charconv>

namespace comfy::fuzz {
namespace {

namespace beast = boost::beast;

/// Lines of "Name: value" as fields, read by nothing but their colon: the second opinion on heads.
server::Headers headers_of(std::string_view text) {
  server::Headers headers;
  for (const std::string_view raw : split(text, '\n')) {
    const std::string_view line = trim(raw);
    const std::size_t colon = line.find(':');
    if (colon != line.npos) {
      headers.add(std::string{line.substr(0, colon)}, std::string{trim(line.substr(colon + 1))});
    }
  }
  return headers;
}

/// Digits and nothing else.
boost::optional<std::uint64_t> read_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || read.ec != std::errc{} || read.ptr != text.data() + text.size()) return {};
  return number;
}

void judge(const server::Headers& headers, std::string_view target) {
  static const server::OriginRules rules{[] {
                                           server::Settings settings;
                                           settings.allowed_hosts = {"mine.example",
                                                                     ".wide.example"};
                                           settings.allowed_origins = {"https://friend.example"};
                                           return settings;
                                         }(),
                                         "workstation"};
  const auto verdict = rules.judge(server::Method::post, target, headers);
  const auto origin = headers.find("Origin");
  const bool passes = verdict == server::OriginRules::Verdict::pass;
  if (passes && headers.count("Origin") > 1) found("several origins passed");
  if (passes && origin && !server::parse_origin(*origin)) found("an unreadable origin passed");
  if (passes && headers.count("Host") != 1) found("a request without one host passed");
}

void read_fields(const server::Headers& headers) {
  if (const auto range = headers.find("Range")) {
    const auto answer = server::parse_range(*range, 1'000);
    if (answer.verdict == server::RangeVerdict::part &&
        (answer.span.begin >= answer.span.end || answer.span.end > 1'000)) {
      found("a range outside the file");
    }
  }
  if (const auto cookie = headers.find("Cookie")) access::find_cookie(*cookie, "comfyui_login_1");
  if (const auto field = headers.find("Authorization")) access::read_authorization(*field);
  if (const auto date = headers.find("If-Modified-Since")) server::parse_http_date(*date);
  if (const auto tags = headers.find("If-None-Match")) server::names_tag(*tags, "\"1-2\"");
  static const server::TrustedProxies proxies{{"127.0.0.0/8", "::1"}};
  server::Request request;
  request.headers = headers;
  request.remote_address = "127.0.0.1";
  proxies.apply(request);
  if (request.remote_address.empty()) found("a proxy made an address go away");
}

}  // namespace

void fuzz_http_head(std::string_view input) {
  beast::http::request_parser<beast::http::buffer_body> parser;
  parser.header_limit(64 * 1024);
  parser.eager(false);
  boost::system::error_code error;
  parser.put(boost::asio::buffer(input.data(), input.size()), error);
  server::Headers headers;
  std::string target = "/";
  if (!error && parser.is_header_done()) {
    const auto& message = parser.get();
    target = std::string{message.target().data(), message.target().size()};
    for (const auto& field : message.base()) {
      headers.add({field.name_string().data(), field.name_string().size()},
                  {field.value().data(), field.value().size()});
    }
    // Without a complaint the parser's idea of the body is the only one there is.
    if (!server::unclear_length(headers, message.version())) {
      const auto length = headers.find("Content-Length");
      const bool chunked = headers.find("Transfer-Encoding").has_value();
      if (message.chunked() != chunked) found("another reader would see another body");
      if (length && parser.content_length() != read_number(*length))
        found("another reader would see a body of another length");
    }
    server::refused_handshake(headers);
  } else {
    headers = headers_of(input);
    target = std::string{input.substr(0, input.find('\n'))};
  }
  judge(headers, target);
  read_fields(headers);
  refusing([&target] {
    const std::size_t mark = target.find('?');
    if (mark == std::string::npos) return;
    const server::Query query{std::string_view{target}.substr(mark + 1)};
    query.find("filename");
    query.find_integer("max_items");
  });
}

void fuzz_multipart(std::string_view input) {
  // The first line is the Content-Type, the rest the body.
  const std::size_t line = input.find('\n');
  if (line == input.npos) return;
  refusing([input, line] {
    const std::string_view body = input.substr(line + 1);
    const server::Form form{input.substr(0, line), body};
    std::size_t content = 0;
    for (const server::FormPart& part : form.parts()) {
      content += part.content.size();
      const bool inside = part.content.empty() ||
                          (part.content.data() >= body.data() &&
                           part.content.data() + part.content.size() <= body.data() + body.size());
      if (!inside) found("a part outside the body");
    }
    if (content > body.size()) found("parts that overlap");
  });
}

void fuzz_websocket(std::string_view input) {
  boost::asio::io_context io;
  beast::test::stream near{io};
  beast::test::stream far{io};
  near.connect(far);
  beast::websocket::stream<beast::test::stream> socket{std::move(near)};
  socket.read_message_max(64 * 1024);
  const std::string upgrade =
      "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  boost::system::error_code error;
  far.write_some(boost::asio::buffer(upgrade), error);
  far.write_some(boost::asio::buffer(input.data(), input.size()), error);
  far.close();
  socket.accept(error);
  while (!error) {
    beast::flat_buffer buffer;
    socket.read(buffer, error);
    if (buffer.size() > 64 * 1024) found("a message above the limit");
  }
}

}  // namespace comfy::fuzz
