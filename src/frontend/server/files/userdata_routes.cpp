// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "frontend/server/files/client_files.h"
#include "frontend/server/files/groups.h"
#include "frontend/server/files/inert_type.h"

#include <algorithm>
#include <utility>

namespace comfy::server {
namespace {

using paths::ClientPath;

paths::Root profile_of(const Request& request, Services& services) {
  return services.folders.area(paths::Area::user, user_of(request, services));
}

/// A file named in the path of a request. Names that still hold "%" are decoded once more, since
/// the editor sends folders as %2F within one segment and proxies encode that again.
ClientPath named_file(const std::string& parameter) {
  std::string name = parameter;
  if (name.find('%') != name.npos) name = percent_decode(name).value_or(name);
  ClientPath path = ClientPath::parse(name, Error::Kind::forbidden);
  check_visible(path);
  return path;
}

Json info_of(const paths::Entry& entry) {
  return Json::Object{{"path", entry.path},
                      {"size", entry.size},
                      {"modified", python_time(entry.modified_ns)},
                      {"created", python_time(entry.created_ns)}};
}

/// What the answer to a write says about the file: its path, or all about it.
Response written(const paths::Root& root, const ClientPath& path, const Request& request) {
  if (!is_true(request, "full_info")) return json_response(path.text());
  const auto entry = root.status(path);
  if (!entry) throw Error{Error::Kind::not_found, "the file has been removed meanwhile"};
  return json_response(info_of(*entry));
}

paths::Existing existing_of(const Request& request) {
  return request.query.find("overwrite") == "false" ? paths::Existing::keep
                                                    : paths::Existing::replace;
}

Response already_exists() { return text_response("File already exists", 409); }

Json listed(const paths::Entry& entry, const Request& request) {
  if (is_true(request, "full_info")) return info_of(entry);
  if (!is_true(request, "split")) return entry.path;
  Json::Array parts{entry.path};
  for (const std::string_view part : split(entry.path, '/')) parts.emplace_back(part);
  return parts;
}

/// ComfyUI's words for a path that is refused.
Response refused(const char* text, unsigned status, const Error& error) {
  Response response = text_response(text, status);
  response.refused_path = error.message;
  return response;
}

Response list_files(const Request& request, Services& services) {
  const std::string_view dir = request.query.find("dir").value_or("");
  if (dir.empty()) return text_response("Directory not provided", 400);
  const paths::Root root = profile_of(request, services);
  ClientPath folder;
  try {
    folder = ClientPath::parse(dir);
  } catch (const Error& error) {
    return refused("Invalid directory", 403, error);
  }
  const auto entry = root.status(folder);
  if (!entry || !entry->is_folder) return text_response("Directory not found", 404);
  const auto depth = is_true(request, "recurse") ? paths::Depth::recursive : paths::Depth::shallow;
  Json::Array files;
  for (const paths::Entry& file : root.list(folder, depth)) {
    if (!file.is_folder) files.push_back(listed(file, request));
  }
  return json_response(files);
}

/// Folders first, then by name without case, as the second version of the listing has it.
bool comes_before(const paths::Entry& a, const paths::Entry& b) {
  if (a.is_folder != b.is_folder) return a.is_folder;
  return lower(a.name()) < lower(b.name());
}

Json described(const paths::Entry& entry, const ClientPath& folder) {
  Json::Object item{{"name", entry.name()},
                    {"path", (folder / ClientPath::parse(entry.path)).text()},
                    {"type", entry.is_folder ? "directory" : "file"}};
  if (!entry.is_folder) {
    item["size"] = entry.size;
    item["modified"] = python_time(entry.modified_ns);
  }
  return item;
}

Response list_tree(const Request& request, Services& services) {
  ClientPath folder;
  try {
    folder = ClientPath::parse_folder(request.query.find("path").value_or(""));
  } catch (const Error& error) {
    return refused("Invalid path requested", 400, error);
  }
  const paths::Root root = profile_of(request, services);
  const auto entry = root.status(folder);
  if (!entry && folder.empty()) return json_response(Json::Array{});
  if (!entry) return text_response("Requested path not found", 404);
  if (!entry->is_folder) return text_response("Requested path is not a directory", 400);
  std::vector<paths::Entry> entries = root.list(folder, paths::Depth::recursive);
  std::ranges::stable_sort(entries, comes_before);
  Json::Array items;
  for (const paths::Entry& item : entries) items.push_back(described(item, folder));
  return json_response(items);
}

Response get_file(const Request& request, Services& services) {
  const ClientPath path = named_file(request.parameters.at(0));
  Response response = inert_file(profile_of(request, services).open(path), path.name());
  // the page links the user's own style sheet
  if (path.text() == "user.css") response.headers.set("Content-Type", "text/css; charset=utf-8");
  return response;
}

Response post_file(const Request& request, Services& services) {
  const ClientPath path = named_file(request.parameters.at(0));
  const paths::Root root = profile_of(request, services);
  paths::NewFile file = root.create(path);
  file.write(request.body.view());
  if (!file.publish(existing_of(request))) return already_exists();
  return written(root, path, request);
}

Response delete_file(const Request& request, Services& services) {
  profile_of(request, services).remove(named_file(request.parameters.at(0)));
  return empty_response(204);
}

Response move_file(const Request& request, Services& services) {
  const ClientPath from = named_file(request.parameters.at(0));
  const ClientPath to = named_file(request.parameters.at(1));
  const paths::Root root = profile_of(request, services);
  const auto taken = root.status(to);
  const bool keeps = existing_of(request) == paths::Existing::keep;
  if (taken && keeps && root.status(from)) return already_exists();
  root.move(from, to, existing_of(request));
  return written(root, to, request);
}

}  // namespace

std::vector<Route> userdata_routes() {
  return {
      {Method::get, "/userdata", on_pool<list_files>},
      {Method::get, "/v2/userdata", on_pool<list_tree>},
      {Method::get, "/userdata/{file}", on_pool<get_file>},
      {Method::post, "/userdata/{file}", on_pool<post_file>, BodyLimit::upload},
      {Method::delete_, "/userdata/{file}", on_pool<delete_file>},
      {Method::post, "/userdata/{file}/move/{dest}", on_pool<move_file>},
  };
}

}  // namespace comfy::server
