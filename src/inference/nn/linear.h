// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/weights.h"
#include "inference/tensor/tensor.h"

namespace comfy::nn {

using checkpoint::Weights;

/// y = x W^T + b over the last dimension. Reads `weight` [O, I] and, where there is one, `bias`
/// [O]; a 1x1 (or 1x1x1) convolution's weight counts as a matrix.
class Linear {
 public:
  explicit Linear(const Weights& w);

  /// x: [..., I] -> [..., O].
  Tensor operator()(const Tensor& x) const;

  std::int64_t inputs() const { return inputs_; }
  std::int64_t outputs() const { return outputs_; }

 private:
  std::int64_t inputs_ = 0, outputs_ = 0;
  bool is_packed_ = false;
  Tensor weight_;  ///< plain, or in oneDNN's own layout; one form in memory
  Tensor bias_;
};

}  // namespace comfy::nn
