// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

namespace comfy::nodes {

/// Pictures [B, H, W, C] with that many channels: further ones are cut off, missing ones are 1.
Tensor with_channels(const Tensor& pixels, std::int64_t count);

}  // namespace comfy::nodes
