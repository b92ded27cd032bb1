// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/random.h"

#include "inference/tensor/ops.h"

#include <ATen/CPUGeneratorImpl.h>

#include <mutex>

namespace comfy::tensor {

Generator::Generator(std::uint64_t seed)
    : native_{at::make_generator<at::CPUGeneratorImpl>(seed)} {}

void Generator::seed(std::uint64_t seed) {
  const std::lock_guard lock{native_.mutex()};
  native_.set_current_seed(seed);
}

Tensor Generator::randn(const Shape& shape, DType dtype) {
  return at::randn(shape, native_, at::TensorOptions{}.dtype(dtype));
}

Tensor Generator::rand(const Shape& shape, DType dtype) {
  return at::rand(shape, native_, at::TensorOptions{}.dtype(dtype));
}

Tensor Generator::randint(std::int64_t low, std::int64_t high, const Shape& shape) {
  return at::randint(low, high, shape, native_, at::TensorOptions{}.dtype(at::kLong));
}

}  // namespace comfy::tensor
