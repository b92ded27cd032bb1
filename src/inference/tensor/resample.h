// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

#include <string_view>

namespace comfy::tensor {

enum class Crop { none, center };

/// Resizes pictures or latents as ComfyUI's nodes do.
///
/// samples: [B, C, H, W] (for latents of video [B, C, T, H, W], frame by frame). method:
/// "nearest-exact", "bilinear", "area", "bicubic", "lanczos" (Pillow's, on 8-bit channels) or
/// "bislerp". crop center first cuts the input to the aspect ratio of the result. Returns [B, C,
/// height, width]. Throws Error(invalid_input) for an unknown method or an empty size. Source:
/// Pillow's resampling documentation; bislerp as observed in ComfyUI.
Tensor resample(const Tensor& samples, std::int64_t width, std::int64_t height,
                std::string_view method, Crop crop);

}  // namespace comfy::tensor
