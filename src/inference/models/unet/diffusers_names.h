// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/source.h"

namespace comfy::models::unet {

/// Whether a file holds a UNet under diffusers' names ("down_blocks.0.resnets.0.norm1.weight" ...).
bool has_diffusers_names(const checkpoint::TensorSource& file);
/// The same file under native names ("input_blocks.1.0.in_layers.0.weight" ...), at the top.
checkpoint::SourcePtr native_names(checkpoint::SourcePtr file);

}  // namespace comfy::models::unet
