// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace comfy::engine {
class Registry;
}

namespace comfy::nodes {

void register_regular_expressions(engine::Registry& registry);
void register_strings(engine::Registry& registry);
void register_primitives(engine::Registry& registry);

}  // namespace comfy::nodes
