// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/media/decode.h"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace comfy::media {

/// A batch of pictures as ComfyUI passes them between nodes: values in [0, 1], [frames, height,
/// width, channels].
struct FloatBatch {
  std::int64_t frames = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::vector<float> values;
};

struct LoadedImage {
  FloatBatch image;  ///< three channels
  FloatBatch mask;   ///< one channel; 1 - alpha, or zeros of 64 x 64 when there is no alpha
};

/// What LoadImage makes of a file: every frame of the first one's size, upright, in RGB, and a mask
/// from its alpha. A picture of whole numbers above 8 bits is cut, or for 32 bits divided by 255,
/// as ComfyUI does.
LoadedImage load_image(std::string_view file, const DecodeLimits& limits = {});

enum class Channel : std::uint8_t { red, green, blue, alpha };

/// What LoadImageMask makes of a file: one channel of the first frame; alpha is turned to 1 -
/// alpha.
FloatBatch load_mask(std::string_view file, Channel channel, const DecodeLimits& limits = {});

/// One frame of `channels` (1, 3 or 4) floats a pixel as ComfyUI saves it: times 255, cut to
/// 0..255, fractions dropped. Throws Error(invalid_input) when the sizes do not fit.
Picture picture_from_floats(std::span<const float> values, int width, int height, int channels);

}  // namespace comfy::media
