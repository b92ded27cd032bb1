// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace comfy::engine {
class Registry;
}

namespace comfy::nodes {

void register_audio_editing(engine::Registry& registry);

}  // namespace comfy::nodes
