// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/models/hooks.h"

namespace comfy::golden::recorded {

using models::BlockHooks;

/// The arithmetic that the UNet cases sd1_attn_patch and sd1_attn_replace describe in words, made
/// through BlockHooks alone.
BlockHooks attention_patches();
BlockHooks attention_replacements();

}  // namespace comfy::golden::recorded
