// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

#include <cstdint>

namespace comfy::tensor {

/// Lanczos resampling with three lobes on 8-bit channels, bit for bit as Pillow does it: weights in
/// fixed point of 22 bits, rows first, every pass rounded to 8 bits. With an alpha channel (2 or 4
/// channels, the last one) colours are multiplied by alpha before and divided by it after.
///
/// pixels: [B, C, H, W] uint8, C = 1 to 4. Returns [B, C, height, width] uint8.
/// Throws Error(invalid_input) for another number of channels.
/// Source: Pillow's documented filters; fixed point and rounding as observed.
Tensor lanczos_8bit(const Tensor& pixels, std::int64_t width, std::int64_t height);

}  // namespace comfy::tensor
