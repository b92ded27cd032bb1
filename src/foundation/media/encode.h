// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/media/picture.h"
#include "foundation/media/text_entry.h"

#include <string>
#include <vector>

namespace comfy::media {

struct PngOptions {
  int compression = 4;  ///< zlib's level; ComfyUI uses 4 for results, 1 for previews
  /// One tEXt chunk each, in this order, before the pixels; iTXt when the text is not Latin-1.
  std::vector<TextEntry> texts;
};

/// Writes bilevel, grey, grey_alpha, rgb, rgba, palette or grey16 as PNG. Throws
/// Error(unsupported) for other modes.
std::string encode_png(const Picture& picture, const PngOptions& options = {});

/// Writes grey or rgb as a JPEG of that quality (1 to 100), chroma halved both ways.
/// Other modes are converted to rgb first. Throws Error(invalid_input) above 65,500 pixels a side.
std::string encode_jpeg(const Picture& picture, int quality);

/// Writes a lossy WebP of that quality (0 to 100), with alpha when the picture has any.
/// Throws Error(invalid_input) above 16,383 pixels a side.
std::string encode_webp(const Picture& picture, int quality);

}  // namespace comfy::media
