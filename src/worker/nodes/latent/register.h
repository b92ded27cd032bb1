// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace comfy::engine {
class Registry;
}

namespace comfy::nodes {

void register_basic_latents(engine::Registry& registry);
void register_latent_batches(engine::Registry& registry);
void register_latent_scaling(engine::Registry& registry);
void register_latent_files(engine::Registry& registry);
void register_latent_operations(engine::Registry& registry);
void register_autoencoding(engine::Registry& registry);
void register_empty_latents(engine::Registry& registry);
void register_latent_transforms(engine::Registry& registry);
void register_latent_arithmetic(engine::Registry& registry);

}  // namespace comfy::nodes
