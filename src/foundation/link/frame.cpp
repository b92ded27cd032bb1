// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/frame.h"

#include "foundation/base/error.h"

#include <fmt/format.h>

#include <utility>

namespace comfy::link {
namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::uint8_t kPlain = 0;
constexpr std::uint8_t kWithBinary = 1;
// No frame is longer than the longest message and its own fields.
constexpr std::size_t kMaxFrame = (16U << 20) + 64;

void put_u32(std::string& out, std::size_t value) {
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>((value >> shift) & 0xFF));
}

std::size_t take_u32(std::string_view bytes) {
  std::size_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

void check_size(Type type, std::size_t bytes) {
  if (bytes > size_cap(type))
    throw Error(Error::Kind::too_large,
                fmt::format("a \"{}\" message must have at most {} bytes, got {}", type_name(type),
                            size_cap(type), bytes));
}

}  // namespace

std::string encode_frame(const Message& message) {
  const std::string text = to_text(message);
  check_size(message.type, text.size() + message.binary.size());
  std::string frame;
  frame.reserve(16 + text.size() + message.binary.size());
  if (message.binary.empty()) {
    put_u32(frame, 1 + text.size());
    frame.push_back(static_cast<char>(kPlain));
    return frame + text;
  }
  put_u32(frame, 1 + kLengthBytes + text.size() + message.binary.size());
  frame.push_back(static_cast<char>(kWithBinary));
  put_u32(frame, text.size());
  return frame + text + message.binary;
}

std::optional<Message> FrameReader::next() {
  while (std::optional<Message> message = take()) {
    if (message->type != Type::unknown) return message;
    ++ignored_;
  }
  return {};
}

std::optional<Message> FrameReader::take() {
  const std::string_view ready = std::string_view{pending_}.substr(start_);
  if (ready.size() < kLengthBytes) return {};
  const std::size_t length = take_u32(ready);
  if (length == 0 || length > kMaxFrame)
    throw Error(Error::Kind::too_large,
                fmt::format("a frame must have 1 to {} bytes, got {}", kMaxFrame, length));
  if (ready.size() < kLengthBytes + length) return {};
  std::string_view frame = ready.substr(kLengthBytes, length);
  const auto kind = static_cast<std::uint8_t>(frame[0]);
  frame.remove_prefix(1);
  std::size_t text_size = frame.size();
  if (kind == kWithBinary) {
    if (frame.size() < kLengthBytes)
      throw Error(Error::Kind::invalid_input, "a frame ends inside its JSON length");
    text_size = take_u32(frame);
    frame.remove_prefix(kLengthBytes);
    if (text_size > frame.size())
      throw Error(Error::Kind::invalid_input,
                  fmt::format("a frame says that {} bytes of JSON follow, got {}", text_size,
                              frame.size()));
  } else if (kind != kPlain) {
    throw Error(Error::Kind::invalid_input,
                fmt::format("a frame's kind must be 0 or 1, got {}", kind));
  }
  Message message = message_from_text(frame.substr(0, text_size));
  if (message.type != Type::unknown) check_size(message.type, frame.size());
  message.binary = std::string{frame.substr(text_size)};
  start_ += kLengthBytes + length;
  if (start_ == pending_.size() || start_ > (1U << 20)) {
    pending_.erase(0, start_);
    start_ = 0;
  }
  return message;
}

}  // namespace comfy::link
