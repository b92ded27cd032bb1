// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/media/picture.h"

namespace comfy::media {

/// The picture in Mode::rgb; alpha and transparent colours are dropped, wide greys are cut at 255.
/// All conversions use the integer formulas of Pillow, which ComfyUI's results are made with.
Picture to_rgb(const Picture& picture);
/// The picture in Mode::rgba; a transparent colour or palette entry becomes alpha 0.
Picture to_rgba(const Picture& picture);
/// The picture in Mode::grey: ITU-R 601-2 luma of colours.
Picture to_grey(const Picture& picture);
/// Whether some pixel may be see-through: an alpha channel, or a transparent colour.
bool has_transparency(const Picture& picture);

}  // namespace comfy::media
