// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/media/picture.h"
#include "foundation/media/text_entry.h"

#include <span>
#include <string>
#include <vector>

namespace comfy::media {

struct ApngOptions {
  int milliseconds = 100;  ///< each frame stays, up to 65,535
  int compression = 4;     ///< zlib's level
  /// One private chunk "comf" each, behind the pixels: key, NUL, text, both Latin-1.
  std::vector<TextEntry> texts = {};
};

/// Writes frames as an APNG that runs for ever; a single one as a plain PNG. Frames: one size and
/// mode, one of those that encode_png takes. Throws Error(invalid_input) when they differ or when
/// there is none.
std::string encode_apng(std::span<const Picture> frames, const ApngOptions& options = {});

struct WebpAnimationOptions {
  int milliseconds = 100;
  bool lossless = true;
  int quality = 80;  ///< 0 to 100
  int method = 4;    ///< 0 fast to 6 small
  /// "key:text" as EXIF: the first as the camera's model, the others from its maker on downwards.
  std::vector<TextEntry> texts = {};
};

/// Writes frames as a WebP that runs for ever; a single one as a still picture. Throws
/// Error(invalid_input) for none, different sizes, and above 16,383 pixels a side.
std::string encode_webp_animation(std::span<const Picture> frames,
                                  const WebpAnimationOptions& options = {});

}  // namespace comfy::media
