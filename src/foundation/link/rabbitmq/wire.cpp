// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/rabbitmq/wire.h"

#include "foundation/base/error.h"

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

namespace comfy::link {
namespace {

constexpr const char* kJson = "application/json";
constexpr const char* kJsonAndBytes = "application/x-comfy";
constexpr const char* kDeflated = "deflate";
constexpr std::size_t kLengthBytes = 4;
// Shorter bodies are not worth the time.
constexpr std::size_t kWorthDeflating = 16 * 1024;
// No message of 16 MiB may unpack to more than this.
constexpr std::size_t kMaxUnpacked = 256U << 20;

std::string with_length(std::string_view text, std::string_view binary) {
  std::string body;
  body.reserve(kLengthBytes + text.size() + binary.size());
  for (int shift = 24; shift >= 0; shift -= 8)
    body.push_back(static_cast<char>((text.size() >> shift) & 0xFF));
  return body.append(text).append(binary);
}

std::size_t length_of(std::string_view body) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i)
    length = length << 8 | static_cast<std::uint8_t>(body[i]);
  return length;
}

}  // namespace

AmqpMessage to_wire(const Message& message) {
  AmqpMessage wire;
  const std::string text = to_text(message);
  wire.content_type = message.binary.empty() ? kJson : kJsonAndBytes;
  wire.body = message.binary.empty() ? text : with_length(text, message.binary);
  // Pictures and packed lists are as small as they get.
  if (message.binary.empty() && wire.body.size() > kWorthDeflating) {
    wire.body = deflate(wire.body);
    wire.content_encoding = kDeflated;
  }
  if (wire.body.size() > size_cap(message.type))
    throw Error(Error::Kind::too_large,
                fmt::format("a \"{}\" message must have at most {} bytes, got {}",
                            type_name(message.type), size_cap(message.type), wire.body.size()));
  wire.type = type_name(message.type);
  wire.message_id = message.prompt_id;
  wire.store = message.store;
  return wire;
}

Message from_wire(const AmqpMessage& wire) {
  const Type type = type_of(wire.type);
  const std::size_t cap = type == Type::unknown ? size_cap(Type::go) : size_cap(type);
  if (wire.body.size() > cap)
    throw Error(Error::Kind::too_large, fmt::format("a \"{}\" message must have at most {} bytes, "
                                                    "got {}",
                                                    type_name(type), cap, wire.body.size()));
  std::string unpacked;
  std::string_view body = wire.body;
  if (wire.content_encoding == kDeflated) body = unpacked = inflate(wire.body, kMaxUnpacked);
  if (wire.content_type != kJsonAndBytes) return message_from_text(body);
  if (body.size() < kLengthBytes || length_of(body) > body.size() - kLengthBytes)
    throw Error(Error::Kind::invalid_input, "a message's JSON is longer than the message");
  const std::size_t length = length_of(body);
  Message message = message_from_text(body.substr(kLengthBytes, length));
  message.binary = std::string{body.substr(kLengthBytes + length)};
  return message;
}

}  // namespace comfy::link
