// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/models/diffusion_model.h"
#include "inference/models/unet/blocks.h"

#include <memory>
#include <optional>
#include <vector>

namespace comfy::models::unet {

/// The UNet of latent diffusion: one class for Stable Diffusion 1.x and 2.x, SDXL, its refiner and
/// distillations, inpainting and editing variants, and Stable Video Diffusion.
/// Source: Rombach et al. 2022 (arXiv:2112.10752), Podell et al. 2023 (arXiv:2307.01952).
class UNet final : public DiffusionModel {
 public:
  UNet(const Weights& w, Config config);

  /// Throws Error(invalid_input) when the channels of x, the width of the context or y do not fit.
  Tensor operator()(const DiffusionCall& call) const override;

  const Config& config() const { return config_; }
  /// [B] -> [B, E], before hooks and labels.
  Tensor time_embedding(const Tensor& timestep) const;

 private:
  Tensor embedding(const DiffusionCall& call) const;
  void check(const DiffusionCall& call) const;
  std::vector<Tensor> run_input_blocks(Tensor& h, const DiffusionCall& call,
                                       BlockCall& inner) const;
  Tensor run_output_blocks(Tensor h, std::vector<Tensor> skips, const DiffusionCall& call,
                           BlockCall& inner) const;

  Config config_;
  DType compute_;
  nn::Linear time_in_, time_out_;
  std::optional<nn::Linear> label_in_, label_out_;
  Tensor label_table_;  ///< [classes, E] of the upscaler
  std::vector<Block> input_blocks_;
  std::optional<Block> middle_block_;
  std::vector<Block> output_blocks_;
  nn::GroupNorm out_norm_;
  nn::Conv2d out_conv_;
};

}  // namespace comfy::models::unet
