// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace comfy::models {

struct BlockHooks;  // hooks.h: changes that nodes make inside the blocks (attention patches, FreeU
                    // ...)

/// What a ControlNet adds inside a UNet, one tensor a block (empty = nothing), in the order in
/// which ComfyUI lists them: input blocks, the middle block, output blocks (taken from the end).
struct ControlResiduals {
  std::vector<Tensor> input = {}, middle = {}, output = {};
};

/// One evaluation of a diffusion network. B counts conditions times batch.
struct DiffusionCall {
  Tensor x;             ///< [B, C, H, W] (video: [B, C, T, H, W]), already scaled for the network
  Tensor timestep;      ///< [B] as the network was trained with (float)
  Tensor context = {};  ///< [B, L, D] text encoding
  Tensor y = {};        ///< [B, A] pooled or size conditioning; empty when the network has none
  const ControlResiduals* control = nullptr;
  const BlockHooks* hooks = nullptr;
  std::int64_t frames = 1;  ///< video UNets: frames of one video in the batch
  Tensor still_frames =
      {};              ///< video UNets: [videos, frames], 1 where a frame is a picture of its own
  Tensor sigmas = {};  ///< [B] noise levels, for hooks; may be empty
  std::vector<std::int64_t> cond_or_uncond =
      {};  ///< for hooks: 0 positive, 1 negative, per condition
};

/// A network that predicts noise, velocity or the clean sample. Immutable after building, so
/// several threads may call it.
class DiffusionModel {
 public:
  virtual ~DiffusionModel() = default;
  /// Returns a tensor of x's shape (its channel count may differ: out channels of the network).
  virtual Tensor operator()(const DiffusionCall& call) const = 0;
};

}  // namespace comfy::models
