// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/nodes/batch_size.h"

#include "inference/tensor/ops.h"

namespace comfy::nodes {

Tensor with_batch_size(const Tensor& batch, std::int64_t count) {
  if (batch.size(0) >= count) return batch.narrow(0, 0, count);
  std::vector<std::int64_t> times(static_cast<std::size_t>(batch.dim()), 1);
  times[0] = (count + batch.size(0) - 1) / batch.size(0);
  return batch.repeat(times).narrow(0, 0, count);
}

}  // namespace comfy::nodes
