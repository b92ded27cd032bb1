// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/paths/plugin_files.h"
#include "frontend/server/settings.h"

#include <filesystem>

namespace comfy {

/// The folder in which this program lies.
std::filesystem::path program_folder();

/// What lies beside the program: <folder>/../share/comfyui/{web,templates,docs,extensions} and
/// catalogue.json. What is missing stays empty. `web` overrides the page's folder.
server::Parts find_parts(const std::filesystem::path& folder, const std::filesystem::path& web);

/// The scripts that these plug-ins bring for the page; of plug-ins that may not be used, none.
std::vector<server::Extension> plugin_extensions(const paths::PluginChoice& choice);

/// Changes with the programs and with the plug-ins that a worker would load: what workers told
/// before is of no use then.
std::string catalogue_key(const std::filesystem::path& catalogue,
                          const paths::PluginChoice& choice);

}  // namespace comfy
