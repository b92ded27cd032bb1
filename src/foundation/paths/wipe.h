// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <chrono>
#include <filesystem>

namespace comfy::paths {

/// Removes every file and folder in `folder` in which nothing was written for `unused`: for folders
/// that others show, or are just filling. What cannot be removed stays and is said in the log.
void wipe_unused(const std::filesystem::path& folder, std::chrono::seconds unused);

}  // namespace comfy::paths
