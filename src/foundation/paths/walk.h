// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/paths/root.h"

#include <cstdint>
#include <string>
#include <vector>

namespace comfy::paths {

/// A folder that a walk looked into, and the time of its last change.
struct VisitedFolder {
  std::string path;  ///< below the root; empty for the root itself
  std::int64_t modified_ns = 0;
};

/// What a walk through a folder found.
struct WalkResult {
  std::vector<Entry> entries;
  std::vector<VisitedFolder> folders;
  std::vector<std::string> link_targets;  ///< where symbolic links lead, as real paths
};

enum class Hidden : std::uint8_t { skip, show };

struct WalkOptions {
  Depth depth = Depth::recursive;
  Links links = Links::refuse;
  Hidden hidden = Hidden::skip;  ///< names with a leading dot; .git and .comfy are never shown
};

/// Looks through an open folder, which may not be O_PATH. A folder that cannot be read has no
/// entries. Folders that contain themselves through links are entered once.
WalkResult walk_folder(int folder, const WalkOptions& options);

}  // namespace comfy::paths
