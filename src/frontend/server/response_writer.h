// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/channel.h"
#include "frontend/server/response.h"
#include "frontend/server/services.h"

#include <boost/asio/awaitable.hpp>

namespace comfy::server {

/// How an answer goes out.
struct WriteMode {
  bool head_only = false;  ///< HEAD: everything but the body
  bool keep_alive = true;
  bool chunks_known = true;  ///< false for HTTP/1.0; a body of unknown length then ends by closing
};

/// Sends an answer. Files go in pieces read on the blocking pool, so that neither memory nor the
/// I/O thread feels their size. Throws boost::system::system_error when the peer is gone or takes
/// nothing for Limits::write_stall.
boost::asio::awaitable<void> write_response(Channel& stream, const Response& response,
                                            WriteMode mode, Services& services);

}  // namespace comfy::server
