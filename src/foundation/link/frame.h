// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/message.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace comfy::link {

/// A message as bytes of a stream: u32 length (big endian, of what follows), u8 kind (0 JSON,
/// 1 JSON and binary), for kind 1 a u32 JSON length, then the bytes.
/// Throws Error(too_large) above the type's cap.
std::string encode_frame(const Message& message);

/// Cuts a stream of bytes into messages.
class FrameReader {
 public:
  void feed(std::string_view bytes) { pending_.append(bytes); }

  /// The next whole message, or nothing until more bytes come. Unknown types are counted and
  /// skipped. Throws Error(too_large), Error(unsupported) or Error(invalid_input); the stream is
  /// then of no further use.
  std::optional<Message> next();

  std::uint64_t ignored() const { return ignored_; }
  /// Bytes that wait for the rest of their frame.
  std::size_t waiting() const { return pending_.size() - start_; }

 private:
  std::optional<Message> take();
  std::string pending_;
  std::size_t start_ = 0;
  std::uint64_t ignored_ = 0;
};

}  // namespace comfy::link
