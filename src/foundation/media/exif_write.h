// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/media/exif.h"

#include <string>
#include <vector>

namespace comfy::media {

/// A block, with its leading "Exif\0\0", of these ASCII entries. texts: tags increasing.
std::string exif_block(const std::vector<ExifText>& texts);

}  // namespace comfy::media
