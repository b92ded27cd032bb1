// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace comfy::engine {
class Registry;
}

namespace comfy::nodes {

/// Every node that comes with the product, in the order of ComfyUI's menu.
void register_all_nodes(engine::Registry& registry);

}  // namespace comfy::nodes
