// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/media/picture.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace comfy::media {

enum class PictureFormat : std::uint8_t { png, jpeg, webp, gif, bmp, tiff };

/// "PNG", "JPEG" and so on.
const char* format_name(PictureFormat format);
/// "image/png" and so on.
const char* content_type(PictureFormat format);

/// What the first bytes of a file say it is, whatever its name says.
std::optional<PictureFormat> sniff(std::string_view file);

/// What a picture may cost. Checked against the header, before anything is allocated.
struct DecodeLimits {
  std::size_t max_pixels = 178'956'970;  ///< per frame
  std::size_t max_frames = 4'096;
  std::size_t max_bytes = std::size_t{2} << 30;  ///< all decoded frames together
};

enum class Frames : std::uint8_t { all, first };

/// A decoded file: one frame, or all frames of an animation, each composed to the whole canvas.
struct PictureFile {
  PictureFormat format = PictureFormat::png;
  std::vector<Picture> frames;
  int orientation = 1;  ///< EXIF: 1 is upright; see upright() in exif.h
};

/// Reads a picture; of the several pictures of an MPO or an animated PNG, the first. Throws
/// Error(invalid_input) when the bytes are no picture or are broken, Error(too_large) when the
/// header promises more than the limits, naming both numbers.
PictureFile decode(std::string_view file, const DecodeLimits& limits = {},
                   Frames frames = Frames::all);

}  // namespace comfy::media
