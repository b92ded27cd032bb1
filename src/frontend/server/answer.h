// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/connection.h"
#include "frontend/server/request.h"
#include "frontend/server/response.h"
#include "frontend/server/route.h"

namespace comfy::server {

/// The answer to a request whose head, host and origin have been checked and whose body was read:
/// the handler of its row, a file of the page, 404 or 405. Never throws.
awaitable<Response> answer(Request& request, const RouteMatch& match, Front& front);

/// Adds to a finished response what every answer carries: cache, security and CORS headers; turns a
/// file into 206, 304 or 416 where the request asks so; compresses when the option is on.
awaitable<void> complete(Response& response, const Request& request, Front& front);

/// The rules of caching by path and status (http-api.md, 1.3): the value of Cache-Control, or
/// empty.
std::string_view cache_rule(std::string_view path, unsigned status);

}  // namespace comfy::server
