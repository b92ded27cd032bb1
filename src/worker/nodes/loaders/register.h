// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace comfy::engine {
class Registry;
}

namespace comfy::nodes {

void register_loaders(engine::Registry& registry);
/// Networks and text encoders in files of their own.
void register_part_loaders(engine::Registry& registry);

}  // namespace comfy::nodes
