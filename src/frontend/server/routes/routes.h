// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/route.h"

#include <vector>

namespace comfy::server {

/// GET and POST /prompt.
std::vector<Route> prompt_routes();
/// /queue, /history, /interrupt, /free.
std::vector<Route> queue_routes();
/// /api/jobs and what belongs to it.
std::vector<Route> job_routes();
/// /object_info, /system_stats, /features and other facts about this server.
std::vector<Route> info_routes();
/// /healthz, /readyz and /metrics, for those who watch over servers.
std::vector<Route> health_routes();
/// /internal/logs.
std::vector<Route> log_routes();

/// Every row of this program, those of files/ included.
std::vector<Route> all_routes();

}  // namespace comfy::server
