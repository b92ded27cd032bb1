// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/models/diffusion_model.h"
#include "inference/sampling/model_sampling.h"
#include "inference/tensor/tensor.h"

#include <cstddef>
#include <optional>

namespace comfy::conditioning {

/// What a ControlNet is asked at one model call.
struct ControlCall {
  const Tensor& x;         ///< [B, C, H, W] noisy sample, not yet scaled for the network
  const Tensor& sigma;     ///< [B]
  const Tensor& context;   ///< [B, L, D]
  const Tensor& y;         ///< [B, A] or empty
  std::size_t conditions;  ///< how many conditions are batched in B
  const sampling::ModelSampling& sampling;
};

/// A ControlNet, T2I adapter or the like, with its hint, strength, range and the one chained before
/// it. Immutable: nodes make a new one.
class Control {
 public:
  virtual ~Control() = default;
  /// What it adds inside the network, its chain included; nothing outside its range of sampling.
  virtual std::optional<models::ControlResiduals> residuals(const ControlCall& call) const = 0;
};

}  // namespace comfy::conditioning
