// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/framing.h"

#include "foundation/base/strings.h"
#include "frontend/access/base64.h"

#include <fmt/format.h>

namespace comfy::server {
namespace {

constexpr std::size_t kShownKey = 64;
constexpr std::size_t kKeyBytes = 16;

/// A value of a client as an answer may show it.
std::string shown(std::string_view value) {
  std::string text;
  for (const char c : value.substr(0, kShownKey)) text += c < 0x20 || c > 0x7E ? '?' : c;
  return text;
}

}  // namespace

std::optional<std::string> unclear_length(const Headers& headers, unsigned http_version) {
  const std::size_t lengths = headers.count("Content-Length");
  const auto coding = headers.find("Transfer-Encoding");
  if (lengths > 1) return fmt::format("expected one Content-Length, got {}", lengths);
  if (!coding) return {};
  if (lengths > 0) return "expected Content-Length or Transfer-Encoding, got both";
  if (http_version < 11) return "expected HTTP/1.1 with Transfer-Encoding, got an earlier version";
  if (headers.count("Transfer-Encoding") > 1 || lower(*coding) != "chunked")
    return fmt::format("expected Transfer-Encoding to be \"chunked\", got \"{}\"", shown(*coding));
  return {};
}

std::optional<Response> refused_handshake(const Headers& headers) {
  if (headers.find("Transfer-Encoding") || headers.find("Content-Length").value_or("0") != "0")
    return text_response("expected no body in a WebSocket handshake, got one", 400);
  const auto version = headers.find("Sec-WebSocket-Version");
  if (!version || *version != "13" || headers.count("Sec-WebSocket-Version") > 1) {
    Response response = text_response(
        fmt::format("expected Sec-WebSocket-Version 13, got \"{}\"", shown(version.value_or(""))),
        426);
    response.headers.add("Sec-WebSocket-Version", "13");
    return response;
  }
  const auto key = headers.find("Sec-WebSocket-Key");
  const auto bytes = access::decode_base64(key.value_or(""));
  if (headers.count("Sec-WebSocket-Key") == 1 && bytes && bytes->size() == kKeyBytes) return {};
  return text_response(
      fmt::format("expected one Sec-WebSocket-Key of {} bytes in base64, got \"{}\"", kKeyBytes,
                  shown(key.value_or(""))),
      400);
}

}  // namespace comfy::server
