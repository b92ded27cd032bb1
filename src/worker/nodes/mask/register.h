// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace comfy::engine {
class Registry;
}

namespace comfy::nodes {

void register_masks(engine::Registry& registry);
void register_mask_edits(engine::Registry& registry);
void register_masked_composites(engine::Registry& registry);

}  // namespace comfy::nodes
