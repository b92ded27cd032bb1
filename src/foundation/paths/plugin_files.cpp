// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/plugin_files.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

namespace comfy::paths {
namespace {

namespace fs = std::filesystem;

/// Why somebody else could have put this file or folder there; empty when nobody could.
std::string distrust(const fs::path& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return fmt::format("{} cannot be looked at", path.string());
  if (info.st_uid != 0 && info.st_uid != ::geteuid())
    return fmt::format("{} must belong to root or to the user of this program, not to user {}",
                       path.string(), info.st_uid);
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fmt::format("{} must not be writable by group or others, its mode is {:o}",
                       path.string(), info.st_mode & 07777);
  return {};
}

bool is_listed(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_wanted(const PluginChoice& choice, const std::string& name) {
  if (is_listed(choice.unwanted, name)) return false;
  return choice.others == PluginChoice::Default::load || is_listed(choice.wanted, name);
}

/// The libraries of a plug-in folder and of the folders in it, sorted.
std::set<fs::path> libraries_in(const fs::path& folder) {
  std::set<fs::path> found;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator{folder, ignored}) {
    const fs::path& path = entry.path();
    if (entry.is_directory(ignored)) {
      const fs::path library = path / (path.filename().string() + ".so");
      if (fs::is_regular_file(library, ignored)) found.insert(library);
    } else if (path.extension() == ".so" && entry.is_regular_file(ignored)) {
      found.insert(path);
    }
  }
  return found;
}

PluginFiles describe(const fs::path& folder, const fs::path& library) {
  PluginFiles plugin{.name = library.stem().string(), .folder = folder, .library = library};
  std::error_code ignored;
  const bool has_own_folder = library.parent_path().filename() == plugin.name;
  if (has_own_folder && fs::is_directory(library.parent_path() / "web", ignored))
    plugin.web = library.parent_path() / "web";
  // Behind a link counts what it leads to.
  const fs::path real = fs::canonical(library, ignored);
  for (const fs::path& part : {library.parent_path(), real.parent_path(), real, plugin.web})
    if (plugin.refusal.empty() && !part.empty()) plugin.refusal = distrust(part);
  return plugin;
}

}  // namespace

std::vector<PluginFiles> find_plugins(const PluginChoice& choice) {
  std::vector<PluginFiles> plugins;
  for (const fs::path& folder : choice.folders) {
    std::error_code ignored;
    if (!fs::is_directory(folder, ignored)) continue;
    const std::set<fs::path> libraries = libraries_in(folder);
    if (const std::string refusal = distrust(folder); !refusal.empty()) {
      if (choice.others == PluginChoice::Default::load || !choice.wanted.empty())
        plugins.push_back({.name = folder.filename().string(),
                           .folder = folder,
                           .library = folder,
                           .refusal = refusal});
      continue;
    }
    for (const fs::path& library : libraries)
      if (is_wanted(choice, library.stem().string())) plugins.push_back(describe(folder, library));
  }
  return plugins;
}

}  // namespace comfy::paths
