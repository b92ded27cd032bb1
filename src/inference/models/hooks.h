// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace comfy::models {

enum class BlockKind { input, middle, output };

/// Where in the network a hook is called (ComfyUI's transformer_options at that moment).
struct BlockPlace {
  BlockKind kind = BlockKind::input;
  std::int64_t block = 0;              ///< number among its kind
  std::int64_t transformer = 0;        ///< number of the transformer block inside it
  std::int64_t transformer_index = 0;  ///< number of the spatial transformer in the whole network
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;
  Shape activations;  ///< [B, C, H, W] of the tensor that the spatial transformer got
  Shape original;     ///< shape of the network's input
  Tensor sigmas;      ///< [B] noise levels of this call; may be empty
  std::vector<std::int64_t> cond_or_uncond;  ///< per condition in the batch: 0 positive, 1 negative
};

/// A hook's address among transformer blocks: the middle block has number 0. Without `transformer`
/// it means all of them.
struct BlockAddress {
  BlockKind kind = BlockKind::input;
  std::int64_t block = 0;
  std::optional<std::int64_t> transformer = {};
  auto operator<=>(const BlockAddress&) const = default;
};

/// What an attention is about to project: the normalized hidden states, and what keys and values
/// come from.
struct AttentionInputs {
  Tensor n, context, value;
};

/// Changes that nodes make inside a network's blocks, in the order in which they were added.
/// Immutable once shared; `key` names the content (two equal keys do the same), so that caches can
/// tell two of them apart.
struct BlockHooks {
  using OnTensor = std::function<Tensor(const Tensor&, const BlockPlace&)>;
  using OnInputs = std::function<AttentionInputs(AttentionInputs, const BlockPlace&)>;
  /// h, skip -> h, skip, before they are joined.
  using OnSkip = std::function<std::pair<Tensor, Tensor>(Tensor, Tensor, const BlockPlace&)>;
  /// q, k, v after projection -> the attention's result before its output projection.
  using Attention =
      std::function<Tensor(const Tensor& q, const Tensor& k, const Tensor& v, const BlockPlace&)>;
  /// The time embedding [B, E] before the label embedding is added; width of the model.
  using OnEmbedding = std::function<Tensor(const Tensor&, std::int64_t model_channels)>;

  std::vector<OnEmbedding> emb;
  std::vector<OnTensor> input_block;             ///< input_block_patch
  std::vector<OnTensor> input_block_after_skip;  ///< input_block_patch_after_skip
  std::vector<OnSkip> output_block;              ///< output_block_patch
  std::vector<OnTensor> middle;                  ///< middle_patch: between the two attentions
  std::vector<OnInputs> attn1, attn2;            ///< attn1_patch, attn2_patch
  std::vector<OnTensor> attn1_output, attn2_output;
  std::map<BlockAddress, Attention> attn1_replace, attn2_replace;
  std::string key;

  bool empty() const;
  /// Both, `other` after this one; replacements of `other` win.
  BlockHooks joined(const BlockHooks& other) const;
};

}  // namespace comfy::models
