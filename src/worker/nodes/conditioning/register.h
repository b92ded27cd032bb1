// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace comfy::engine {
class Registry;
}

namespace comfy::nodes {

/// ControlNets and the pictures that they follow.
void register_control(engine::Registry& registry);
/// What inpainting and editing models see beside the latent.
void register_guided_edits(engine::Registry& registry);
void register_text_encoding(engine::Registry& registry);
void register_conditioning_edits(engine::Registry& registry);

}  // namespace comfy::nodes
