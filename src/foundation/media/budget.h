// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/error.h"
#include "foundation/media/decode.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace comfy::media {

/// Keeps the account of one file's decoding. Each frame is announced before it is allocated.
class Budget {
 public:
  Budget(const DecodeLimits& limits, PictureFormat format) : limits_{limits}, format_{format} {}

  /// Announces one more frame, of so many bytes a pixel.
  /// Throws Error(too_large) above a limit and Error(invalid_input) for an empty picture.
  void frame(std::uint64_t width, std::uint64_t height, std::size_t bytes_per_pixel);
  /// The same for a number of frames that the header promises.
  void frames(std::uint64_t count, std::uint64_t width, std::uint64_t height,
              std::size_t bytes_per_pixel);
  /// Announces working memory.
  void reserve(std::uint64_t bytes);
  /// An allocated black frame.
  Picture make(Mode mode, std::uint64_t width, std::uint64_t height);

  /// An error about this file's content: "PNG file is broken: <problem>".
  Error broken(std::string_view problem) const;

 private:
  DecodeLimits limits_;
  PictureFormat format_;
  std::uint64_t frames_ = 0;
  std::uint64_t bytes_ = 0;
};

PictureFile decode_png(std::string_view file, Budget& budget);
PictureFile decode_jpeg(std::string_view file, Budget& budget);
PictureFile decode_webp(std::string_view file, Budget& budget, Frames frames);
PictureFile decode_gif(std::string_view file, Budget& budget, Frames frames);
PictureFile decode_bmp(std::string_view file, Budget& budget);
PictureFile decode_tiff(std::string_view file, Budget& budget, Frames frames);

}  // namespace comfy::media
