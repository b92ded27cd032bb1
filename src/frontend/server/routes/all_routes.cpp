// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/admission.h"
#include "frontend/server/files/routes.h"
#include "frontend/server/routes/routes.h"

namespace comfy::server {

std::vector<Route> all_routes() {
  std::vector<Route> rows;
  for (const auto& routes : {prompt_routes(), queue_routes(), job_routes(), info_routes(),
                             health_routes(), log_routes(), file_routes(), access_routes()}) {
    rows.insert(rows.end(), routes.begin(), routes.end());
  }
  return rows;
}

}  // namespace comfy::server
