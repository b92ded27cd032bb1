// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/route.h"

#include <vector>

namespace comfy::server {

/// The rows that read and write files for clients: uploads, /view, user data, settings, users,
/// models, embeddings, extensions, translations.
std::vector<Route> file_routes();

}  // namespace comfy::server
