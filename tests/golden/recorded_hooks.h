// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"
#include "inference/models/hooks.h"

#include <cstdint>

/// The changes under which golden UNet cases were recorded, made through BlockHooks
/// alone.
namespace comfy::golden::recorded {

using models::BlockHooks;

/// FreeU and FreeU_V2 (Si et al. 2023, arXiv:2309.11497); params: b1, b2, s1, s2.
BlockHooks freeu(const Json& params, std::int64_t model_channels, bool second_version);
/// HyperTile; draws from a generator of that seed. params: tile_size, swap_size, max_depth,
/// scale_depth.
BlockHooks hypertile(const Json& params, std::uint64_t seed);
/// Token merging (Bolya and Hoffman 2023, arXiv:2303.17604). params: ratio.
BlockHooks tome(const Json& params, std::uint64_t seed);
/// The arithmetic that cases sd1_attn_patch and sd1_attn_replace describe in words.
BlockHooks attention_patches();
BlockHooks attention_replacements();

}  // namespace comfy::golden::recorded
