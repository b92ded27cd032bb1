// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/nn/linear.h"

#include "inference/nn/packed.h"
#include "inference/tensor/ops.h"

namespace comfy::nn {

Linear::Linear(const Weights& w) : bias_{w.get("bias")} {
  const Tensor weight = w["weight"].flatten(1);
  outputs_ = weight.size(0);
  inputs_ = weight.size(1);
  is_packed_ = can_pack(weight);
  weight_ = is_packed_ ? pack_linear(weight) : weight;
  if (is_packed_) w.release("weight");
}

Tensor Linear::operator()(const Tensor& x) const {
  if (is_packed_) return packed_linear(x, weight_, bias_);
  return bias_.defined() ? at::linear(x, weight_, bias_) : at::linear(x, weight_);
}

}  // namespace comfy::nn
