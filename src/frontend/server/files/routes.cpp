// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/files/routes.h"

#include "frontend/server/files/groups.h"

namespace comfy::server {

std::vector<Route> file_routes() {
  std::vector<Route> all;
  for (auto* group :
       {asset_routes, asset_change_routes, upload_routes, view_routes, model_routes,
        userdata_routes, profile_routes, extension_routes, subgraph_routes, folder_routes}) {
    const std::vector<Route> rows = group();
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

}  // namespace comfy::server
