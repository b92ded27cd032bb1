// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/media/picture.h"

namespace comfy::media {

/// Scales a grey, grey_alpha, rgb or rgba picture with a triangle filter that widens when it
/// shrinks (Pillow's BILINEAR). Throws Error(invalid_input) for an empty size and
/// Error(unsupported) for other modes.
Picture resize_bilinear(const Picture& picture, int width, int height);

/// Scaled so that it just fits into a square of that side; small pictures grow.
Picture fit_into_square(const Picture& picture, int side);

}  // namespace comfy::media
