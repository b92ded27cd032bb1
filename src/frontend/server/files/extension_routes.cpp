// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "frontend/server/files/client_files.h"
#include "frontend/server/files/groups.h"
#include "frontend/server/files/inert_type.h"
#include "frontend/server/files/translations.h"
#include "frontend/server/log.h"

#include <array>
#include <optional>
#include <utility>

namespace comfy::server {
namespace {

using paths::ClientPath;

constexpr std::array kTemplateFolders{"example_workflows", "example", "examples", "workflow",
                                      "workflows"};

/// The scripts below a folder as paths that start with `prefix`.
void add_scripts(Json::Array& scripts, const std::filesystem::path& folder,
                 std::string_view prefix) {
  if (folder.empty()) return;
  const paths::Root root{folder, paths::Links::follow};
  if (!root.status({})) return;
  for (const paths::Entry& entry : root.list({}, paths::Depth::recursive)) {
    if (!entry.is_folder && entry.path.ends_with(".js"))
      scripts.emplace_back(std::string{prefix} + percent_encode(entry.path, "/"));
  }
}

Response get_extensions(const Request&, Services& services) {
  const Parts& parts = services.settings.parts;
  Json::Array scripts;
  if (!parts.web.empty()) add_scripts(scripts, parts.web / "extensions", "/extensions/");
  for (const Extension& extension : parts.extensions) {
    add_scripts(scripts, extension.folder, "/extensions/" + percent_encode(extension.name) + "/");
  }
  return json_response(scripts);
}

const std::vector<paths::Root>& custom_nodes(Services& services) {
  return services.folders.find_model_folder("custom_nodes")->roots;
}

Response get_translations(const Request&, Services& services) {
  Json::Object all;
  for (const paths::Root& root : custom_nodes(services)) {
    if (root.status({})) merge_translations(all, root);
  }
  return json_response(all);
}

/// One folder of nodes or scripts, which may bring example workflows along.
struct Pack {
  std::string name;
  paths::Root root;
  ClientPath path;  // below the root
};

/// Those that come with the program and with plug-ins.
std::vector<Pack> shipped_packs(Services& services) {
  std::vector<Pack> found;
  for (const Extension& extension : services.settings.parts.extensions)
    found.push_back({extension.name, paths::Root{extension.folder, paths::Links::follow}, {}});
  return found;
}

/// Those of the user, then those that come along.
std::vector<Pack> all_packs(Services& services) {
  std::vector<Pack> found;
  for (const paths::Root& root : custom_nodes(services)) {
    if (!root.status({})) continue;
    for (const paths::Entry& entry : root.list({}, paths::Depth::shallow))
      if (entry.is_folder) found.push_back({entry.path, root, ClientPath::parse(entry.path)});
  }
  for (Pack& pack : shipped_packs(services)) found.push_back(std::move(pack));
  return found;
}

Json::Array templates_of(const Pack& pack) {
  Json::Array names;
  for (const char* folder : kTemplateFolders) {
    const ClientPath path = pack.path / ClientPath::parse(folder);
    const auto status = pack.root.status(path);
    if (!status || !status->is_folder) continue;
    for (const paths::Entry& entry : pack.root.list(path, paths::Depth::shallow)) {
      if (!entry.is_folder && entry.path.ends_with(".json"))
        names.emplace_back(split_suffix(entry.path).stem);
    }
  }
  return names;
}

Response get_templates(const Request&, Services& services) {
  Json::Object all;
  for (const Pack& pack : all_packs(services)) {
    Json::Array names = templates_of(pack);
    if (!names.empty()) all[pack.name] = std::move(names);
  }
  return json_response(all);
}

/// The file of that name among the workflows of a pack; nothing when there is none.
std::optional<Response> template_in(const Pack& pack, const ClientPath& name) {
  for (const char* folder : kTemplateFolders) {
    auto file = pack.root.find(pack.path / ClientPath::parse(folder) / name);
    if (file) return inert_file(std::move(*file), name.name());
  }
  return {};
}

Response get_template(const Request& request, Services& services) {
  const auto wanted = ClientPath::parse(request.parameters.at(0), Error::Kind::not_found);
  const auto name = ClientPath::parse(request.parameters.at(1), Error::Kind::not_found);
  for (const paths::Root& root : custom_nodes(services))
    if (auto found = template_in({wanted.text(), root, wanted}, name)) return std::move(*found);
  for (const Pack& pack : shipped_packs(services))
    if (pack.name == wanted.text())
      if (auto found = template_in(pack, name)) return std::move(*found);
  throw Error{Error::Kind::not_found, "no such workflow template"};
}

}  // namespace

std::vector<Route> extension_routes() {
  return {
      {Method::get, "/extensions", on_pool<get_extensions>},
      {Method::get, "/i18n", on_pool<get_translations>},
      {Method::get, "/workflow_templates", on_pool<get_templates>},
      {Method::get, "/api/workflow_templates/{module}/{name...}", on_pool<get_template>,
       BodyLimit::small, Alias::none},
  };
}

}  // namespace comfy::server
