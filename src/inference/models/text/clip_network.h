// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/weights.h"
#include "inference/nn/linear.h"
#include "inference/nn/norm.h"
#include "inference/tensor/tensor.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace comfy::models::text {

using checkpoint::Weights;

/// One block: causal self-attention, then a perceptron, each on normalized input and added to it.
class ClipBlock {
 public:
  using ActivationFunction = Tensor (*)(const Tensor&);
  ClipBlock(const Weights& w, std::int64_t heads, ActivationFunction activation);

  /// x: [B, L, D] -> [B, L, D]. visible: nothing, or bool [B, 1, L, L].
  Tensor operator()(const Tensor& x, const Tensor& visible) const;

 private:
  std::int64_t heads_;
  ActivationFunction activation_;
  nn::LayerNorm norm1_, norm2_;
  nn::Linear query_, key_, value_, out_, widen_, narrow_;
};

/// A text ready for the network.
struct ClipInput {
  Tensor embeddings;     ///< [B, L, D], without positions
  Tensor last_token;     ///< [B] int64: the position that stands for the whole text
  Tensor attended = {};  ///< bool [B, L]: positions that may be seen; nothing = all
};

struct ClipOutput {
  Tensor last;    ///< [B, L, D] of the last block, normalized
  Tensor hidden;  ///< [B, L, D] of the block asked for, as it is
  Tensor pooled;  ///< [B, D] of `last` at last_token
};

/// The text transformer of CLIP. Reads "text_model..." and "text_projection.weight" (transformers'
/// names); sizes come from the tensors.
/// Source: Radford et al. 2021 (arXiv:2103.00020), 2.4.
class ClipNetwork {
 public:
  /// Throws Error(invalid_input) when the heads do not divide the width.
  ClipNetwork(const Weights& w, std::int64_t heads, ClipBlock::ActivationFunction activation);

  std::int64_t width() const { return token_table_.size(1); }
  /// The longest text.
  std::int64_t length() const { return positions_.size(0); }
  std::int64_t layers() const { return static_cast<std::int64_t>(blocks_.size()); }

  /// ids: [N] -> [N, D], a tensor of its own. Throws Error(invalid_input) for an id that is not in
  /// the table.
  Tensor embed(const Tensor& ids) const;
  /// layer: the block whose output is wanted beside the last, counted from 0.
  ClipOutput operator()(const ClipInput& input, std::optional<std::int64_t> layer) const;
  Tensor final_norm(const Tensor& x) const { return final_norm_(x); }
  /// pooled: [B, D] -> [B, P]. Zeros where the file has no projection.
  Tensor project(const Tensor& pooled) const;

 private:
  Tensor token_table_;  ///< [V, D] in the stored type
  Tensor positions_;    ///< [L, D]
  std::vector<ClipBlock> blocks_;
  nn::LayerNorm final_norm_;
  std::optional<nn::Linear> projection_;
};

}  // namespace comfy::models::text
