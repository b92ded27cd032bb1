// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/fields.h"
#include "frontend/server/response.h"

#include <optional>
#include <string>

namespace comfy::server {

/// What makes it unclear where the body of a request ends, as a sentence; nothing when all readers
/// of its head agree. A proxy in front of this server that reads such a head in another way would
/// take part of a body for the next request, with the rights of somebody else.
/// http_version: 10 or 11.
std::optional<std::string> unclear_length(const Headers& headers, unsigned http_version);

/// The answer to the head of a WebSocket handshake that breaks RFC 6455, section 4.2.1; nothing
/// when it is sound. The caller has seen GET, "Upgrade: websocket" and "Connection: Upgrade".
std::optional<Response> refused_handshake(const Headers& headers);

}  // namespace comfy::server
