// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace comfy::engine {
class Registry;
}

namespace comfy::nodes {

void register_basic_images(engine::Registry& registry);
void register_image_scaling(engine::Registry& registry);
void register_image_files(engine::Registry& registry);

}  // namespace comfy::nodes
