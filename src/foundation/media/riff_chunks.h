// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/media/bytes.h"

#include <optional>
#include <string_view>

namespace comfy::media {

/// Goes through the chunks of a WebP without trusting their lengths.
class RiffChunks {
 public:
  struct Chunk {
    std::string_view type;
    std::string_view data;
  };

  /// `file` begins with "RIFF????WEBP".
  explicit RiffChunks(std::string_view file) : file_{file} {}

  /// The next chunk; nothing at the end, or where the file ends too early.
  std::optional<Chunk> next() {
    const auto type = file_.part(at_, 4);
    const auto length = file_.u32(at_ + 4);
    if (!type || !length) return {};
    const auto data = file_.part(at_ + 8, *length);
    if (!data) return {};
    at_ += std::size_t{8} + *length + *length % 2;
    return Chunk{*type, *data};
  }

 private:
  Bytes file_;
  std::size_t at_ = 12;
};

}  // namespace comfy::media
