// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/paths/root.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace comfy::paths {

/// What a walk through a folder found.
struct WalkResult {
  std::vector<Entry> entries;
  std::vector<std::string> link_targets;  ///< where symbolic links lead, as real paths
};

enum class Hidden : std::uint8_t { skip, show };

struct WalkOptions {
  Depth depth = Depth::recursive;
  Links links = Links::refuse;
  Hidden hidden = Hidden::skip;  ///< names with a leading dot; .git and .comfy are never shown
  /// Called with each folder before its names are read: its path below the first, which is "".
  std::function<void(const std::string& path)> on_folder = {};
};

/// Looks through an open folder, which may not be O_PATH. A folder that cannot be read has no
/// entries. Folders that contain themselves through links are entered once.
WalkResult walk_folder(int folder, const WalkOptions& options);

}  // namespace comfy::paths
