// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace comfy::engine {
class Registry;
}

namespace comfy::nodes {

void register_samplers(engine::Registry& registry);
void register_custom_sampling(engine::Registry& registry);
/// Samplers with options of their own.
void register_solvers(engine::Registry& registry);
/// Noise levels that were published as tables.
void register_published_schedules(engine::Registry& registry);
void register_sigmas(engine::Registry& registry);

}  // namespace comfy::nodes
