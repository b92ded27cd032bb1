// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/worker_link.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace comfy::link {

/// A worker process to keep alive.
struct ChildCommand {
  std::filesystem::path program = {};       ///< comfyui-worker
  std::vector<std::string> arguments = {};  ///< what follows the program's name and `--link-fd 3`
};

/// Workers that are children of this process, one socket pair each; a child that ends is started
/// again after 0, 1, 2, then 5 seconds (from the beginning once one lived for a minute).
/// Keys are "child-<index>.<start>".
std::unique_ptr<WorkerLink> make_child_link(std::vector<ChildCommand> children);

}  // namespace comfy::link
