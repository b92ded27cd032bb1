// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/connection.h"
#include "frontend/server/request.h"
#include "frontend/server/response.h"
#include "frontend/server/route.h"

#include <boost/asio/awaitable.hpp>

#include <optional>

namespace comfy::server {

/// Decides on a request by its head alone, before its body is read: by its host and origin, by who
/// sends it (filled into `request.identity`) and by what the route needs. The answer to one that
/// goes no further: a refusal, or the way in for a browser (GET /?token=KEY). Nothing for one that
/// may pass. `route` is null where no row fits.
boost::asio::awaitable<std::optional<Response>> admit(Request& request, const Route* route,
                                                      Front& front);

/// The name of the session's cookie. Cookies do not know ports, so it carries this server's.
std::string cookie_name(const Settings& settings);

/// POST /logout: ends the session of the request's cookie.
std::vector<Route> access_routes();

}  // namespace comfy::server
