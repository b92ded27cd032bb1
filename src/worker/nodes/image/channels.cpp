// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/nodes/image/channels.h"

#include "inference/tensor/ops.h"

namespace comfy::nodes {

Tensor with_channels(const Tensor& pixels, std::int64_t count) {
  const std::int64_t missing = count - pixels.size(-1);
  if (missing < 0) return pixels.narrow(-1, 0, count);
  return missing > 0 ? at::constant_pad_nd(pixels, {0, missing}, 1.0) : pixels;
}

}  // namespace comfy::nodes
