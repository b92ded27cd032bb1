// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/media/text_entry.h"

#include <cstddef>
#include <string_view>
#include <vector>

namespace comfy::media {

struct TextLimits {
  std::size_t max_text = std::size_t{16} << 20;   ///< one text, unpacked
  std::size_t max_total = std::size_t{64} << 20;  ///< all of them
};

/// The named texts of a PNG (tEXt, zTXt, iTXt, ComfyUI's comf) or a WebP (EXIF entries such as
/// "workflow:{..}"), in file order. Reads no pixels. A file that is neither has none.
/// Throws Error(invalid_input) when the file is broken, Error(too_large) above a limit.
std::vector<TextEntry> read_metadata(std::string_view file, const TextLimits& limits = {});

}  // namespace comfy::media
