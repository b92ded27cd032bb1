// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/base/hash.h"
#include "frontend/server/files/client_files.h"
#include "frontend/server/files/groups.h"

#include <string>
#include <utility>
#include <vector>

namespace comfy::server {
namespace {

using paths::ClientPath;

constexpr std::size_t kMaxBlueprint = std::size_t{16} << 20;

/// A sub-graph that somebody made for others to use.
struct Blueprint {
  std::string id;
  std::string source;  ///< "custom_node", or "templates" for those of this installation
  std::string name;
  std::string pack;  ///< "custom_nodes.<folder>" or "comfyui"
  paths::Root root;
  ClientPath path;
};

/// Adds the .json files right below `folder`.
void add(std::vector<Blueprint>& found, const paths::Root& root, const ClientPath& folder,
         const std::string& source, const std::string& pack) {
  const auto status = root.status(folder);
  if (!status || !status->is_folder) return;
  for (const paths::Entry& entry : root.list(folder, paths::Depth::shallow)) {
    if (entry.is_folder || !entry.path.ends_with(".json")) continue;
    const ClientPath path = folder / ClientPath::parse(entry.path);
    const std::string whole = (root.path() / path.text()).string();
    found.push_back({to_hex(sha256(source + whole)), source,
                     std::string{split_suffix(entry.path).stem}, pack, root, path});
  }
}

std::vector<Blueprint> blueprints(const paths::Folders& folders) {
  std::vector<Blueprint> found;
  for (const paths::Root& root : folders.find_model_folder("custom_nodes")->roots) {
    if (!root.status({})) continue;
    for (const paths::Entry& entry : root.list({}, paths::Depth::shallow)) {
      if (!entry.is_folder) continue;
      const ClientPath folder = ClientPath::parse(entry.path) / ClientPath::parse("subgraphs");
      add(found, root, folder, "custom_node", "custom_nodes." + entry.path);
    }
  }
  const paths::Root own{folders.base() / "blueprints"};
  add(found, own, {}, "templates", "comfyui");
  return found;
}

Json::Object described(const Blueprint& blueprint) {
  return {{"source", blueprint.source},
          {"name", blueprint.name},
          {"info", Json::Object{{"node_pack", blueprint.pack}}}};
}

Response get_subgraphs(const Request&, Services& services) {
  Json::Object all;
  for (const Blueprint& blueprint : blueprints(services.folders))
    all[blueprint.id] = described(blueprint);
  return json_response(all);
}

/// One with its text as `data`; null for an id that nothing has.
Response get_subgraph(const Request& request, Services& services) {
  for (const Blueprint& blueprint : blueprints(services.folders)) {
    if (blueprint.id != request.parameters.at(0)) continue;
    Json::Object answer = described(blueprint);
    answer["data"] = paths::read_all(blueprint.root.open(blueprint.path), kMaxBlueprint);
    return json_response(answer);
  }
  return json_response(Json{});
}

}  // namespace

std::vector<Route> subgraph_routes() {
  return {
      {Method::get, "/global_subgraphs", on_pool<get_subgraphs>},
      {Method::get, "/global_subgraphs/{id}", on_pool<get_subgraph>},
  };
}

}  // namespace comfy::server
