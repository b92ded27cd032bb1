// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

#include <ATen/core/Generator.h>

#include <cstdint>

namespace comfy::tensor {

/// torch's CPU generator, so that the same seed gives the same numbers as in ComfyUI.
/// A value with shared state: copies continue the same sequence.
class Generator {
 public:
  explicit Generator(std::uint64_t seed);
  void seed(std::uint64_t seed);

  /// Standard normal float32 numbers of that shape (or of another floating type).
  Tensor randn(const Shape& shape, DType dtype = DType::Float);
  /// Uniform numbers in [0, 1).
  Tensor rand(const Shape& shape, DType dtype = DType::Float);
  /// Integers in [low, high).
  Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape);
  const at::Generator& native() const { return native_; }

 private:
  at::Generator native_;
};

}  // namespace comfy::tensor
