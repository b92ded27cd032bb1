// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/socket/spawn.h"
#include "foundation/link/worker_link.h"

#include <memory>
#include <vector>

namespace comfy::link {

/// Workers that are children of this process, one socket pair each; a child that ends is started
/// again after 0, 1, 2, then 5 seconds (from the beginning once one lived for a minute).
/// Keys are "child-<index>.<start>".
std::unique_ptr<WorkerLink> make_child_link(std::vector<ChildCommand> children);

}  // namespace comfy::link
