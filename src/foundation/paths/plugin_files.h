// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace comfy::paths {

/// One plug-in as it lies on disk: <name>.so in a plug-in folder, or <name>/<name>.so there, with
/// scripts for the page in <name>/web.
struct PluginFiles {
  std::string name;
  std::filesystem::path folder;  ///< the plug-in folder it was found in
  std::filesystem::path library;
  std::filesystem::path web = {};  ///< empty: it brings no scripts
  /// Why neither its code nor its scripts may be used; empty when they may.
  std::string refusal = {};
};

/// Which plug-ins the operator wants.
struct PluginChoice {
  std::vector<std::filesystem::path> folders = {};
  enum class Default { load, leave_out } others = Default::load;
  std::vector<std::string> wanted = {};    ///< names that are loaded in any case
  std::vector<std::string> unwanted = {};  ///< names that never are
};

/// The plug-ins of these folders that are wanted, by folder and name.
///
/// Plug-ins are trusted code, so nobody but root and the user of this program may be able to put
/// them there: where a library, its folder or its scripts belong to somebody else, or group or
/// others may write to them, the entry says so in `refusal`. A folder that does not exist holds
/// none; one that may not be trusted is one entry with a refusal.
std::vector<PluginFiles> find_plugins(const PluginChoice& choice);

}  // namespace comfy::paths
