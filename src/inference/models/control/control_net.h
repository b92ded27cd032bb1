// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/source.h"
#include "inference/models/diffusion_model.h"
#include "inference/models/unet/blocks.h"
#include "inference/models/unet/config.h"

#include <optional>
#include <vector>

namespace comfy::models::control {

using checkpoint::Weights;

/// One evaluation of a ControlNet. B counts conditions times batch.
struct ControlNetCall {
  const Tensor& x;         ///< [B, C, H, W], scaled for the network
  const Tensor& timestep;  ///< [B]
  const Tensor& context;   ///< [B, L, D]
  const Tensor& y;         ///< [B, A] or empty
  const Tensor& hint;      ///< [B or 1, 3, 8 H, 8 W], 0..1
};

/// A copy of a UNet's encoder that reads a picture besides the sample, and tells the UNet what to
/// add to its skip connections. For Stable Diffusion 1.x, 2.x and XL.
/// Source: Zhang et al. 2023 (arXiv:2302.05543).
class ControlNet {
 public:
  /// w: the scope that holds "zero_convs.0.0.weight". Throws Error(invalid_input) when it is none.
  explicit ControlNet(const Weights& w);

  /// What is added to the output blocks and to the middle one.
  /// Throws Error(invalid_input) when context or y are of another model's width.
  ControlResiduals operator()(const ControlNetCall& call) const;

 private:
  Tensor embedding(const ControlNetCall& call) const;
  Tensor hint_features(const Tensor& hint) const;

  unet::Config config_;
  DType compute_;
  nn::Linear time_in_, time_out_;
  std::optional<nn::Linear> label_in_, label_out_;
  std::vector<nn::Conv2d> hint_convs_;
  std::vector<unet::Block> input_blocks_;
  std::vector<nn::Conv2d> zero_convs_;
  unet::Block middle_block_;
  nn::Conv2d middle_out_;
};

/// The ControlNet of a file, in the authors' or in diffusers' names: the top of it.
/// Throws Error(invalid_input) naming what the file holds instead, and Error(unsupported) for kinds
/// that this program does not know (LoRA forms, unions of several).
Weights open_control_net(checkpoint::SourcePtr file);

}  // namespace comfy::models::control
