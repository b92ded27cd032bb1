// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

namespace comfy::nodes {

/// As many items along the first dimension as asked for: repeated from the front, or cut.
Tensor with_batch_size(const Tensor& batch, std::int64_t count);

}  // namespace comfy::nodes
