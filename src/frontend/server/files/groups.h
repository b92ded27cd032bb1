// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/route.h"

#include <vector>

namespace comfy::server {

/// POST /upload/image and /upload/mask.
std::vector<Route> upload_routes();
/// GET /view.
std::vector<Route> view_routes();
/// /models, /experiment/models, /embeddings, /view_metadata.
std::vector<Route> model_routes();
/// /userdata and /v2/userdata.
std::vector<Route> userdata_routes();
/// /users and /settings.
std::vector<Route> profile_routes();
/// What extensions bring along: /extensions, /i18n, /workflow_templates.
std::vector<Route> extension_routes();
/// /global_subgraphs: sub-graphs to be used as nodes.
std::vector<Route> subgraph_routes();
/// GET /api/assets and /api/tags: files of all folders in one list.
std::vector<Route> asset_routes();
/// What changes them or leads to their content: POST, PUT and DELETE below /api/assets, and the
/// files of a job.
std::vector<Route> asset_change_routes();
/// /internal/folder_paths and /internal/files.
std::vector<Route> folder_routes();

}  // namespace comfy::server
