// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/media/picture.h"

#include <array>
#include <cstdint>
#include <vector>

namespace comfy::media {

using Colour = std::array<std::uint8_t, 3>;

/// At most so many colours (1 to 256) that stand for those of a picture: the mean of each box of a
/// median cut, as Pillow makes it. picture: rgb with pixels.
std::vector<Colour> median_cut(const Picture& picture, int colours);

enum class Dither : std::uint8_t { none, floyd_steinberg };

/// The picture in colours of the palette alone. A colour that is none of them becomes the nearest
/// to what it is without its lowest two bits, as in Pillow. picture: rgb; palette: not empty.
Picture in_palette(const Picture& picture, const std::vector<Colour>& palette, Dither dither);

}  // namespace comfy::media
