// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace comfy::sampling {

/// Numbers that look random from a seed and a place in a tree, as numpy's SeedSequence gives them.
///
/// spawn_key: where in the tree; pool_size: words that are mixed. Returns `count` 32-bit numbers.
/// Source: O'Neill 2015, "Developing a seed_seq alternative"; constants as in numpy.
std::vector<std::uint32_t> seed_sequence(std::uint64_t entropy,
                                         std::span<const std::uint64_t> spawn_key,
                                         std::size_t pool_size, std::size_t count);

}  // namespace comfy::sampling
