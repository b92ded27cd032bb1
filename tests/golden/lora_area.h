// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "golden/area.h"

namespace comfy::golden {

/// The weights of network and text encoder under one LoRA, with a line for each kind of adapter.
/// The files that a case names lie below the recorded folder, or beside the case as
/// base.safetensors and loras/.
std::optional<Outcome> run_lora(const std::filesystem::path& file);

}  // namespace comfy::golden
