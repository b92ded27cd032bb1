// SPDX-License-Identifier: GPL-3.0-or-later
#include "folders_of_options.h"

#include <filesystem>

namespace comfy {
namespace {

namespace fs = std::filesystem;

fs::path absolute(const std::string& path) {
  return path.empty() ? fs::path{} : fs::absolute(path);
}

}  // namespace

paths::FolderOptions folder_options(const options::Options& options) {
  const std::string& base = options.cwd.empty() ? options.base_directory : options.cwd;
  paths::FolderOptions folders;
  folders.base = base.empty() ? fs::current_path() : fs::absolute(base);
  folders.input = absolute(options.input_directory);
  folders.output = absolute(options.output_directory);
  folders.temp = absolute(options.temp_directory);
  folders.user = absolute(options.user_directory);
  for (const std::string& file : options.extra_model_paths_config)
    folders.extra_model_paths.push_back(absolute(file));
  // What came with the programs lies beside them.
  folders.spare_models =
      fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "share/comfyui/models";
  folders.links = options.follow_symlinks ? paths::Links::follow : paths::Links::refuse;
  folders.per_user = options.multi_user;
  return folders;
}

paths::PluginChoice plugin_choice(const options::Options& options) {
  paths::PluginChoice choice;
  for (const std::string& folder : options.plugin_directory)
    choice.folders.push_back(absolute(folder));
  if (options.disable_all_custom_nodes) choice.others = paths::PluginChoice::Default::leave_out;
  choice.wanted = options.whitelist_custom_nodes;
  choice.unwanted = options.blacklist_custom_nodes;
  return choice;
}

}  // namespace comfy
