// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/worker_link.h"

#include <memory>

namespace comfy::link {

/// The worker's side over a connected stream socket (descriptor 3 of a child), with a thread of its
/// own that reads and writes. Takes the descriptor over.
std::unique_ptr<ServerLink> make_socket_server_link(int descriptor);

}  // namespace comfy::link
