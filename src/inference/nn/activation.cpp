// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/nn/activation.h"

#include "inference/nn/kernels.h"
#include "inference/tensor/ops.h"

#include <ATen/Parallel.h>

#include <algorithm>

namespace comfy::nn {

Tensor silu(const Tensor& x) { return at::silu(x); }

Tensor quick_gelu(const Tensor& x) { return (x * 1.702).sigmoid_().mul_(x); }

Tensor gelu(const Tensor& x) { return at::gelu(x); }

Tensor geglu(const Tensor& x) {
  const std::int64_t width = x.size(-1) / 2;
  if (!x.is_cpu() || x.scalar_type() != DType::Float || !x.is_contiguous()) {
    return at::gelu(x.narrow(-1, width, width)).mul_(x.narrow(-1, 0, width));
  }
  Shape shape = x.sizes().vec();
  shape.back() = width;
  Tensor y = at::empty(shape, x.options());
  const float* from = x.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  constexpr std::int64_t kGrain = 16384;
  at::parallel_for(0, x.numel() / (2 * width), std::max<std::int64_t>(1, kGrain / width),
                   [&](std::int64_t begin, std::int64_t end) {
                     kernels::geglu(from + begin * 2 * width, to + begin * width, end - begin,
                                    width);
                   });
  return y;
}

}  // namespace comfy::nn
