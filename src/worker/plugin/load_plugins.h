// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/paths/plugin_files.h"

namespace comfy::engine {
class Registry;
}

namespace comfy::plugin {

/// Loads the plug-ins of the operator's choice into a registry that holds the built-in nodes. Each
/// one is logged with the SHA-256 of its file; one that cannot be loaded is logged and left out.
void load_plugins(const paths::PluginChoice& choice, engine::Registry& registry);

/// Loads one plug-in, all of its nodes or none; those whose ids are taken are left out with a
/// warning. Its code stays in this process for good.
///
/// Throws Error(forbidden) for files that others may change, or that a list of hashes
/// (plugins.sha256 in the plug-in folder, as sha256sum writes it) does not name with this content;
/// Error(unsupported) for a library that was built for another program; Error(invalid_input) for
/// one that is no plug-in.
void load_plugin(const paths::PluginFiles& files, engine::Registry& registry);

}  // namespace comfy::plugin
