// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/media/bytes.h"

#include <optional>
#include <string_view>

namespace comfy::media {

/// Goes through the chunks of a PNG without trusting their lengths. Checksums are left to decoders.
class PngChunks {
 public:
  struct Chunk {
    std::string_view type;
    std::string_view data;
  };

  /// `file` begins with the PNG signature.
  explicit PngChunks(std::string_view file) : file_{file, Bytes::Order::big} {}

  /// The next chunk; nothing after IEND, or where the file ends too early.
  std::optional<Chunk> next() {
    const auto length = file_.u32(at_);
    if (!length || is_over_) return {};
    const auto type = file_.part(at_ + 4, 4);
    const auto data = file_.part(at_ + 8, *length);
    if (!type || !data) return {};
    at_ += std::size_t{12} + *length;
    is_over_ = *type == "IEND";
    return Chunk{*type, *data};
  }

 private:
  Bytes file_;
  std::size_t at_ = 8;
  bool is_over_ = false;
};

}  // namespace comfy::media
