// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace comfy::engine {
class Registry;
}

namespace comfy::nodes {

void register_basic_images(engine::Registry& registry);
void register_image_scaling(engine::Registry& registry);
void register_animations(engine::Registry& registry);
void register_quantization(engine::Registry& registry);
void register_edge_detection(engine::Registry& registry);
void register_image_files(engine::Registry& registry);
void register_image_transforms(engine::Registry& registry);
void register_image_joining(engine::Registry& registry);
void register_post_processing(engine::Registry& registry);
void register_compositing(engine::Registry& registry);
void register_morphology(engine::Registry& registry);
void register_rebatching(engine::Registry& registry);

}  // namespace comfy::nodes
