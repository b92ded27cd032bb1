// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "golden/area.h"

namespace comfy::golden {

/// Tiny UNets of every layout, with control, hooks and taps inside.
std::optional<Outcome> run_unet(const std::filesystem::path& file);
/// Autoencoders whole, tiled and inside; latent formats; previews. A case that a node made
/// (encode_for_inpaint) is none of these: nothing.
std::optional<Outcome> run_vae(const std::filesystem::path& file);
/// Network, autoencoder and text encoder of a full-size SD1.5; "not yet" while its checkpoint,
/// which takes 2 GB, has not been made (see full_size_checkpoint). A whole sampling run: nothing.
std::optional<Outcome> run_sd15_full(const std::filesystem::path& file);

/// Where the full-size checkpoint lies: the user's cache folder; nothing while there is none.
std::optional<std::filesystem::path> full_size_checkpoint();

}  // namespace comfy::golden
