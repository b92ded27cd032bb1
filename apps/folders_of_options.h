// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/options/options.h"
#include "foundation/paths/folders.h"
#include "foundation/paths/plugin_files.h"

namespace comfy {

/// Both programs must mean the same folders by the same options.
paths::FolderOptions folder_options(const options::Options& options);
paths::PluginChoice plugin_choice(const options::Options& options);

}  // namespace comfy
