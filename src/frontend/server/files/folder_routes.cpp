// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/files/client_files.h"
#include "frontend/server/files/groups.h"

#include <algorithm>
#include <utility>

namespace comfy::server {
namespace {

Response get_folder_paths(const Request&, Services& services) {
  Json::Object all;
  for (const std::string& kind : services.folders.model_kinds()) {
    Json::Array folders;
    for (const paths::Root& root : services.folders.find_model_folder(kind)->roots)
      folders.emplace_back(services.folders.shown(root.path()));
    all[kind] = std::move(folders);
  }
  return json_response(all);
}

Response get_files(const Request& request, Services& services) {
  const auto area = paths::find_area(request.parameters.at(0));
  if (!area) return json_response(Json::Object{{"error", "Invalid directory type"}}, 400);
  const paths::Root root = services.folders.area(*area, user_of(request, services));
  std::vector<paths::Entry> entries;
  if (root.status({})) entries = root.list({}, paths::Depth::shallow);
  std::ranges::stable_sort(entries, std::ranges::greater{}, &paths::Entry::modified_ns);
  Json::Array names;
  for (const paths::Entry& entry : entries) {
    if (!entry.is_folder) names.emplace_back(entry.path);
  }
  return json_response(names);
}

}  // namespace

std::vector<Route> folder_routes() {
  return {
      {Method::get, "/internal/folder_paths", on_pool<get_folder_paths>, BodyLimit::small,
       Alias::none, Access::admin},
      // The editor's sidebar of outputs: what it lists, /view shows to the same people.
      {Method::get, "/internal/files/{directory_type}", on_pool<get_files>, BodyLimit::small,
       Alias::none, Access::read},
  };
}

}  // namespace comfy::server
