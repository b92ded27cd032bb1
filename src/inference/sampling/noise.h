// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/random.h"
#include "inference/tensor/tensor.h"

#include <cstdint>
#include <span>

namespace comfy::sampling {

/// The starting noise for a latent, from a generator that was just seeded; it may go on being drawn
/// from.
///
/// batch_index: which numbers of the seed's sequence each item of the batch gets (a latent cut from
/// a batch keeps its noise); empty = the first ones. Returns CPU noise of the latent's shape and
/// dtype. Throws Error(invalid_input) when batch_index has a negative entry.
Tensor prepare_noise(const Tensor& latent, tensor::Generator& generator,
                     std::span<const std::int64_t> batch_index = {});

/// A latent that holds nothing but one value is empty: gives it the channels, and the dimensions,
/// of the model's latents. latent_dimensions: 2 for pictures, 3 for video.
Tensor fix_empty_latent_channels(const Tensor& latent, std::int64_t channels,
                                 std::int64_t latent_dimensions);

}  // namespace comfy::sampling
