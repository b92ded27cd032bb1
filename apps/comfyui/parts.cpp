// SPDX-License-Identifier: GPL-3.0-or-later
#include "parts.h"

#include "foundation/base/error.h"
#include "foundation/base/hash.h"

#include <fmt/format.h>

#include <algorithm>

namespace comfy {
namespace {

namespace fs = std::filesystem;

/// The path when it exists, else an empty one.
fs::path existing(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) ? path : fs::path{};
}

/// The folders that hold workflow templates: the folder itself, or those of the packages in it
/// (comfyui_workflow_templates_json for the texts, ..._media_* for thumbnails where installed).
std::vector<fs::path> template_folders(const fs::path& folder) {
  if (!existing(folder / "index.json").empty()) return {folder};
  std::vector<fs::path> folders;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator{folder, ignored}) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("comfyui_workflow_templates_")) continue;
    if (fs::path found = existing(entry.path() / "templates"); !found.empty()) {
      folders.push_back(std::move(found));
    }
  }
  std::ranges::sort(folders);
  return folders;
}

/// The version of the templates' package, as the folder beside it names it; empty when there is
/// none.
std::string templates_version(const fs::path& folder) {
  constexpr std::string_view kPrefix = "comfyui_workflow_templates_core-";
  constexpr std::string_view kSuffix = ".dist-info";
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator{folder, ignored}) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    return name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
  }
  return {};
}

}  // namespace

fs::path program_folder() { return fs::read_symlink("/proc/self/exe").parent_path(); }

server::Parts find_parts(const fs::path& folder, const fs::path& web) {
  const fs::path share = folder.parent_path() / "share" / "comfyui";
  if (!web.empty() && existing(web / "index.html").empty()) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("--front-end-root must be a folder with an index.html, got \"{}\"",
                            web.string())};
  }
  server::Parts parts;
  parts.web = web.empty() ? existing(share / "web") : web;
  parts.docs = existing(share / "docs");
  parts.templates = template_folders(share / "templates");
  parts.templates_version = templates_version(share / "templates");
  if (const fs::path shipped = existing(share / "extensions"); !shipped.empty()) {
    for (const fs::directory_entry& entry : fs::directory_iterator{shipped}) {
      if (entry.is_directory())
        parts.extensions.push_back({entry.path().filename().string(), entry.path()});
    }
  }
  parts.catalogue = existing(share / "catalogue.json");
  return parts;
}

std::vector<server::Extension> plugin_extensions(const paths::PluginChoice& choice) {
  std::vector<server::Extension> extensions;
  for (const paths::PluginFiles& plugin : paths::find_plugins(choice)) {
    if (plugin.refusal.empty() && !plugin.web.empty()) {
      extensions.push_back({plugin.name, plugin.web});
    }
  }
  return extensions;
}

std::string catalogue_key(const fs::path& catalogue, const paths::PluginChoice& choice) {
  const auto stamp = [](const fs::path& file) {
    std::error_code ignored;
    const auto size = fs::file_size(file, ignored);
    return fmt::format("{} {} {}\n", file.string(), size,
                       fs::last_write_time(file, ignored).time_since_epoch().count());
  };
  std::string text = stamp(program_folder() / "comfyui") + stamp(catalogue);
  for (const paths::PluginFiles& plugin : paths::find_plugins(choice))
    if (plugin.refusal.empty()) text += stamp(plugin.library);
  return to_hex(sha256(text));
}

}  // namespace comfy
