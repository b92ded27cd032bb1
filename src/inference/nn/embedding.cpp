// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/nn/embedding.h"

#include "inference/tensor/ops.h"

namespace comfy::nn {

Tensor sinusoidal_embedding(const Tensor& values, std::int64_t dim, double max_period) {
  const std::int64_t half = dim / 2;
  const Tensor steps =
      at::arange(0, half, at::TensorOptions().dtype(DType::Float).device(values.device()));
  const Tensor frequencies = at::exp(steps * -std::log(max_period) / static_cast<double>(half));
  const Tensor angles = values.to(DType::Float).unsqueeze(-1) * frequencies;  // [B, half]
  const Tensor embedding = at::cat({angles.cos(), angles.sin()}, -1);
  return dim % 2 == 0 ? embedding : at::constant_pad_nd(embedding, {0, 1});
}

}  // namespace comfy::nn
