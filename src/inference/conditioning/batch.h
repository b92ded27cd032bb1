// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

namespace comfy::conditioning {

/// The items repeated in turn, or cut, until there are `batch` of them.
Tensor repeat_to_batch(const Tensor& items, std::int64_t batch);

/// The items spread evenly over `batch` places: [a, b] over 4 gives [a, a, b, b].
Tensor spread_over_batch(const Tensor& items, std::int64_t batch);

/// A mask of any size as one of a latent's shape: resized without antialiasing, repeated over
/// channels and batch. mask: [H, W] or [B, H, W] or [B, 1, H, W] (video too: one mask a frame).
Tensor mask_like_latent(const Tensor& mask, const Shape& latent_shape);

/// A mask resized to a latent's height and width. mask: [B, H, W] -> [B, h, w].
Tensor resized_mask(const Tensor& mask, std::int64_t height, std::int64_t width);

}  // namespace comfy::conditioning
