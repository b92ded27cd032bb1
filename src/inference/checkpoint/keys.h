// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/source.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::checkpoint {

/// What has to be done to another program's tensor so that it becomes ours.
enum class KeyChange {
  none,
  transpose,    ///< swap the two dimensions
  first_third,  ///< rows of a fused query-key-value matrix
  second_third,
  last_third,
  convolution  ///< a matrix becomes a convolution with kernel 1x1
};

/// One row of a table that relates another program's tensor names to ours.
///
/// In both names a component "#" stands for a number (the same on both sides, from left to right)
/// and a final "*" for whatever follows. The same rows serve loading, LoRA and saving.
struct KeyRow {
  std::string ours;
  std::string theirs;
  KeyChange change = KeyChange::none;
};

/// Our name for one of theirs by the first row that fits; nothing when none does.
std::optional<std::string> our_key(std::span<const KeyRow> rows, std::string_view theirs);
/// Their name for one of ours.
std::optional<std::string> their_key(std::span<const KeyRow> rows, std::string_view ours);

/// A source under our names. Every row that fits makes a tensor of its own (a fused matrix gives
/// three); names that no row knows are dropped under `scope` and kept outside of it. Rows are
/// relative to `scope` ("" or with a final dot).
SourcePtr converted_source(SourcePtr source, std::span<const KeyRow> rows,
                           std::string_view scope = {});

/// How the UNet's tensors are called in diffusers, for a UNet whose tensors have these native names
/// ("input_blocks.0.0.weight" ...). Rows are literal: one per tensor.
std::vector<KeyRow> diffusers_unet_keys(std::span<const std::string> names);

}  // namespace comfy::checkpoint
