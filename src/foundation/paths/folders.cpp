// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/folders.h"

#include "foundation/base/strings.h"
#include "foundation/paths/content_kind.h"
#include "foundation/paths/listing_cache.h"
#include "foundation/paths/log.h"
#include "foundation/paths/model_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace comfy::paths {
namespace {

std::filesystem::path or_default(const std::filesystem::path& path,
                                 const std::filesystem::path& otherwise) {
  return std::filesystem::absolute(path.empty() ? otherwise : path).lexically_normal();
}

void check_user(std::string_view user) {
  if (is_client_name(user) && !user.starts_with("__") && !user.starts_with('.')) return;
  throw Error(Error::Kind::forbidden, "user id must be a plain name that does not begin with '__'");
}

/// Whether a file belongs into a menu of that kind ("image", "audio,video", "latent", "any").
bool is_of_kind(std::string_view filename, std::string_view kind) {
  if (kind.empty() || kind == "any") return true;
  if (kind == "latent") return filename.ends_with(".latent");
  const std::string_view found = content_kind(filename);
  const auto kinds = split(kind, ',');
  return !found.empty() && std::ranges::find(kinds, found) != kinds.end();
}

}  // namespace

struct Folders::State {
  FolderOptions options;
  std::vector<ModelFolder> models;
  ListingCache cache;

  const std::filesystem::path& area_path(Area area) const {
    switch (area) {
      case Area::input:
        return options.input;
      case Area::output:
        return options.output;
      case Area::temp:
        return options.temp;
      case Area::user:
        break;
    }
    return options.user;
  }
};

Folders::Folders(FolderOptions options) : state_{std::make_unique<State>()} {
  options.base = or_default(options.base, std::filesystem::current_path());
  options.input = or_default(options.input, options.base / "input");
  options.output = or_default(options.output, options.base / "output");
  options.temp = or_default(options.temp, options.base) / "temp";
  options.user = or_default(options.user, options.base / "user");
  ModelTable table{options.base};
  const std::filesystem::path automatic = options.base / "extra_model_paths.yaml";
  if (std::filesystem::is_regular_file(automatic)) table.add_from_file(automatic);
  for (const auto& file : options.extra_model_paths) table.add_from_file(file);
  for (const std::string_view kind : {"checkpoints", "clip", "vae", "diffusion_models", "loras"})
    table.add(kind, options.output / kind);
  if (!options.spare_models.empty()) {
    for (ModelFolder& folder : table.folders)
      folder.spare = Root{options.spare_models / folder.kind, Links::follow};
  }
  state_->options = std::move(options);
  state_->models = std::move(table.folders);
}

Folders::~Folders() = default;

const std::filesystem::path& Folders::base() const { return state_->options.base; }
const std::filesystem::path& Folders::user_directory() const { return state_->options.user; }

Root Folders::area(Area area, std::string_view user) const {
  const std::filesystem::path& path = state_->area_path(area);
  const Links links = state_->options.links;
  if (area != Area::user && !state_->options.per_user) return Root{path, links};
  check_user(user);
  return Root{path / std::filesystem::path{user}, links};
}

std::string Folders::shown(const std::filesystem::path& path) const {
  const std::filesystem::path relative = path.lexically_relative(state_->options.base);
  if (relative.empty() || relative.begin()->string() == "..") return path.filename().string();
  return relative.string();
}

std::vector<std::string> Folders::model_kinds() const {
  std::vector<std::string> kinds;
  for (const ModelFolder& folder : state_->models) kinds.push_back(folder.kind);
  return kinds;
}

const ModelFolder* Folders::find_model_folder(std::string_view kind) const {
  const auto entry = std::ranges::find(state_->models, current_kind(kind), &ModelFolder::kind);
  return entry == state_->models.end() ? nullptr : &*entry;
}

std::shared_ptr<const ModelList> Folders::models(std::string_view kind) const {
  const ModelFolder* folder = find_model_folder(kind);
  if (folder == nullptr)
    throw Error(Error::Kind::not_found, fmt::format("no model folder is called '{}'", kind));
  return state_->cache.list(*folder);
}

void Folders::forget_models() const { state_->cache.forget(); }
std::uint64_t Folders::generation() const { return state_->cache.generation(); }
std::uint64_t Folders::scans() const { return state_->cache.scans(); }

std::optional<OpenModel> Folders::find_model(std::string_view kind, std::string_view name) const {
  const ModelFolder* folder = find_model_folder(kind);
  if (folder == nullptr) return {};
  std::optional<ClientPath> path;
  try {
    path = ClientPath::parse(name);
  } catch (const Error&) {
    return {};  // a name that cannot be in any folder
  }
  for (std::size_t i = 0; const Root* root = folder->find_root(i); ++i) {
    if (auto file = root->find(*path))
      return OpenModel{std::move(*file), root->path() / path->text(), path->text()};
  }
  return {};
}

OpenModel Folders::open_model(std::string_view kind, std::string_view name) const {
  if (auto model = find_model(kind, name)) return std::move(*model);
  const ModelFolder* folder = find_model_folder(kind);
  if (folder == nullptr)
    throw Error(Error::Kind::not_found, fmt::format("no model folder is called '{}'", kind));
  std::vector<std::string> searched;
  searched.reserve(folder->roots.size());
  for (const Root& root : folder->roots) searched.push_back(shown(root.path()));
  throw Error(Error::Kind::not_found,
              fmt::format("no model '{}' in {}; put the file there", name, join(searched, " or ")));
}

std::shared_ptr<const std::vector<Entry>> Folders::input_entries(std::string_view kind,
                                                                 std::string_view user) const {
  const Root input = area(Area::input, user);
  if (kind == "3d") return state_->cache.list(input, ClientPath::parse("3d"), Depth::recursive);
  return state_->cache.list(input, {}, Depth::shallow);
}

std::vector<std::string> Folders::input_files(std::string_view kind, std::string_view user) const {
  const auto entries = input_entries(kind, user);
  std::vector<std::string> names;
  for (const Entry& entry : *entries) {
    if (kind == "3d") {
      if (!entry.is_folder && is_of_kind(entry.path, "model")) names.push_back("3d/" + entry.path);
    } else if (kind == "folders" ? entry.is_folder
                                 : !entry.is_folder && is_of_kind(entry.path, kind)) {
      names.push_back(entry.path);
    }
  }
  return names;
}

FileDescriptor Folders::open_annotated(std::string_view text, Area otherwise,
                                       std::string_view user) const {
  const AnnotatedName name = parse_annotated(text, otherwise);
  return area(name.area, user).open(ClientPath::parse(name.name));
}

bool Folders::annotated_exists(std::string_view text, Area otherwise, std::string_view user) const {
  const AnnotatedName name = parse_annotated(text, otherwise);
  try {
    return area(name.area, user).find(ClientPath::parse(name.name)).has_value();
  } catch (const Error&) {
    return false;
  }
}

void Folders::create_directories() const {
  for (const ModelFolder& folder : state_->models) {
    if (!folder.roots.empty()) folder.roots.front().make_folder({});
  }
  Root{state_->options.temp}.make_folder({});
  create_basic_directories();
}

void Folders::create_basic_directories() const {
  for (const Area area : {Area::input, Area::output, Area::user})
    Root{state_->area_path(area)}.make_folder({});
}

void Folders::wipe_temp() const {
  std::error_code failure;
  const auto& temp = state_->options.temp;
  for (const auto& entry : std::filesystem::directory_iterator{temp, failure}) {
    std::filesystem::remove_all(entry.path(), failure);
    if (failure)
      log.warn("'{}' stays in the temp folder: {}", entry.path().filename().string(),
               failure.message());
  }
}

}  // namespace comfy::paths
