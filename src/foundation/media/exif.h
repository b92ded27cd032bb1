// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/media/picture.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::media {

/// A text entry of an EXIF block's first directory.
struct ExifText {
  std::uint16_t tag = 0;
  std::string text;
};

/// The orientation (1 to 8) of an EXIF block, with or without its leading "Exif\0\0"; 1 when it
/// says none or makes no sense.
int exif_orientation(std::string_view exif);
/// The ASCII entries of the first directory, in file order. Broken blocks have none.
std::vector<ExifText> exif_texts(std::string_view exif);

/// The picture turned and mirrored as its EXIF orientation demands.
Picture upright(Picture picture, int orientation);

}  // namespace comfy::media
