// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace comfy::engine {
class Registry;
}

namespace comfy::nodes {

/// What a network's output means and which noise levels it knows.
void register_parameterizations(engine::Registry& registry);
/// How two predictions become one.
void register_guidance(engine::Registry& registry);
void register_projected_guidance(engine::Registry& registry);
/// Guidance away from a prediction with spoiled attention.
void register_attention_guidance(engine::Registry& registry);
/// Changes inside the blocks.
void register_block_patches(engine::Registry& registry);
void register_attention_multiply(engine::Registry& registry);
void register_hypernetworks(engine::Registry& registry);
void register_merging(engine::Registry& registry);

}  // namespace comfy::nodes
