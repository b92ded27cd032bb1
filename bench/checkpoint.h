// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "bench/result.h"
#include "inference/models/checkpoint_file.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace comfy::bench {

/// The full-size checkpoint to measure with: $CHECKPOINT, else the random one in the user's cache
/// folder (docs: bench/README.md says how to make it).
inline models::Checkpoint open_checkpoint() {
  const char* named = std::getenv("CHECKPOINT");
  const char* home = std::getenv("HOME");
  const std::filesystem::path file =
      named != nullptr ? std::filesystem::path(named)
                       : std::filesystem::path(home != nullptr ? home : ".") /
                             ".cache/comfyui-distributed/models/sd15_random.safetensors";
  return models::open_checkpoint(file);
}

}  // namespace comfy::bench
