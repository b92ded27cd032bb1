// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/files/assets.h"

#include "foundation/base/error.h"
#include "foundation/base/hash.h"
#include "foundation/base/strings.h"
#include "frontend/server/files/file_state.h"
#include "frontend/server/files/inert_type.h"
#include "frontend/server/files/profiles.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace comfy::server {
namespace {

constexpr std::string_view kNotes = ".comfy/assets.json";
constexpr std::string_view kHashKind = "blake3:";

std::string id_of(const Asset& asset) {
  const std::string hex = to_hex(sha256(join(asset.places, "/") + "\n" + asset.path));
  return fmt::format("{}-{}-8{}-8{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 3),
                     hex.substr(15, 3), hex.substr(18, 12));
}

std::string iso_time(std::int64_t nanoseconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}Z",
                     fmt::gmtime(static_cast<std::time_t>(nanoseconds / 1'000'000'000)));
}

void add_folders(std::vector<std::string>& tags, std::string_view path) {
  for (std::size_t slash = path.find('/'); slash != path.npos; slash = path.find('/')) {
    tags.emplace_back(path.substr(0, slash));
    path.remove_prefix(slash + 1);
  }
}

std::string_view folder_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == path.npos ? std::string_view{} : path.substr(0, slash);
}

AssetNotes notes_of(const Json& stored) {
  AssetNotes notes{.name = stored.string_or("name", ""),
                   .preview_id = stored.string_or("preview_id", ""),
                   .hash = stored.string_or("hash", "")};
  if (const Json* tags = stored.find("tags"); tags != nullptr && tags->is_array())
    for (const Json& tag : tags->as_array())
      if (tag.is_string()) notes.tags.push_back(tag.as_string());
  if (const Json* metadata = stored.find("metadata"); metadata != nullptr && metadata->is_object())
    notes.metadata = metadata->as_object();
  notes.hashed_size = static_cast<std::uint64_t>(stored.int_or("hashed_size", 0));
  notes.hashed_ns = stored.int_or("hashed_ns", 0);
  return notes;
}

Json stored_form(const AssetNotes& notes) {
  return Json::Object{{"name", notes.name},          {"tags", Json::array(notes.tags)},
                      {"metadata", notes.metadata},  {"preview_id", notes.preview_id},
                      {"hash", notes.hash},          {"hashed_size", notes.hashed_size},
                      {"hashed_ns", notes.hashed_ns}};
}

paths::Root profile_of(const Request& request, Services& services) {
  return services.folders.area(paths::Area::user, user_of(request, services));
}

Json::Object all_notes(const Request& request, Services& services) {
  return read_object(profile_of(request, services), kNotes).value_or(Json::Object{});
}

void add_area(std::vector<Asset>& all, const char* area, const paths::Root& root) {
  if (!root.status({})) return;
  for (const paths::Entry& entry : root.list({}, paths::Depth::recursive))
    if (!entry.is_folder) all.push_back(asset_at(area, entry));
}

void add_models(std::vector<Asset>& all, const paths::Folders& folders) {
  for (const std::string& kind : folders.model_kinds()) {
    if (kind == "configs" || kind == "custom_nodes") continue;
    for (const paths::ModelEntry& entry : folders.models(kind)->entries) {
      Asset asset{.path = entry.name,
                  .places = {"models", kind},
                  .size = entry.size,
                  .modified_ns = entry.modified_ns,
                  .created_ns = entry.created_ns};
      add_folders(asset.places, entry.name);
      asset.id = id_of(asset);
      all.push_back(std::move(asset));
    }
  }
}

}  // namespace

std::string_view Asset::file_name() const {
  return std::string_view{path}.substr(path.rfind('/') + 1);
}

std::string_view Asset::name() const { return notes.name.empty() ? file_name() : notes.name; }

std::vector<std::string> Asset::tags() const {
  std::vector<std::string> all = places;
  for (const std::string& tag : notes.tags)
    if (std::ranges::find(all, tag) == all.end()) all.push_back(tag);
  return all;
}

bool Asset::has(std::string_view tag) const {
  return std::ranges::find(places, tag) != places.end() ||
         std::ranges::find(notes.tags, tag) != notes.tags.end();
}

std::string_view Asset::hash() const {
  const bool holds = notes.hashed_size == size && notes.hashed_ns == modified_ns;
  return holds ? std::string_view{notes.hash} : std::string_view{};
}

std::string Asset::view_url() const {
  if (is_model() || !inert_type(path).content_type.starts_with("image/")) return {};
  return fmt::format("/api/view?filename={}&type={}&subfolder={}", percent_encode(file_name()),
                     places.front(), percent_encode(folder_of(path)));
}

Asset asset_at(std::string_view area, const paths::Entry& entry) {
  Asset asset{.path = entry.path,
              .places = {std::string{area}},
              .size = entry.size,
              .modified_ns = entry.modified_ns,
              .created_ns = entry.created_ns};
  add_folders(asset.places, entry.path);
  asset.id = id_of(asset);
  return asset;
}

std::vector<Asset> all_assets(const Request& request, Services& services) {
  std::vector<Asset> all;
  add_models(all, services.folders);
  const std::string user = user_of(request, services);
  add_area(all, "input", services.folders.area(paths::Area::input, user));
  add_area(all, "output", services.folders.area(paths::Area::output, user));
  const Json::Object notes = all_notes(request, services);
  if (notes.empty()) return all;
  for (Asset& asset : all)
    if (const Json* stored = notes.find(asset.id)) asset.notes = notes_of(*stored);
  return all;
}

Asset find_asset(const Request& request, Services& services, std::string_view id) {
  for (Asset& asset : all_assets(request, services))
    if (asset.id == id) return std::move(asset);
  throw Error{Error::Kind::not_found, "no asset has that id"};
}

std::optional<Asset> find_content(const Request& request, Services& services,
                                  std::string_view hash) {
  for (Asset& asset : all_assets(request, services))
    if (asset.hash() == hash) return std::move(asset);
  return {};
}

FileDescriptor open_asset(const Request& request, Services& services, const Asset& asset) {
  if (asset.is_model()) return services.folders.open_model(asset.places.at(1), asset.path).file;
  const paths::Root root =
      services.folders.area(*paths::find_area(asset.places.front()), user_of(request, services));
  return root.open(paths::ClientPath::parse(asset.path));
}

void write_notes(const Request& request, Services& services, const Asset& asset) {
  const std::lock_guard lock{services.files.profiles};
  Json::Object notes = all_notes(request, services);
  notes[asset.id] = stored_form(asset.notes);
  write_object(profile_of(request, services), kNotes, notes);
}

void forget_notes(const Request& request, Services& services, std::string_view id) {
  const std::lock_guard lock{services.files.profiles};
  Json::Object notes;
  for (auto& [key, stored] : all_notes(request, services))
    if (key != id) notes[key] = stored;
  write_object(profile_of(request, services), kNotes, notes);
}

Json::Object shown(const Asset& asset) {
  Json::Object all{{"id", asset.id}, {"name", asset.name()}};
  if (!asset.hash().empty()) all["hash"] = all["asset_hash"] = asset.hash();
  all["display_name"] = asset.path;
  if (asset.is_model()) all["loader_path"] = asset.path;
  all["size"] = asset.size;
  all["mime_type"] = inert_type(asset.path).content_type;
  all["tags"] = Json::array(asset.tags());
  if (const std::string url = asset.view_url(); !url.empty()) all["preview_url"] = url;
  if (!asset.notes.preview_id.empty()) all["preview_id"] = asset.notes.preview_id;
  all["user_metadata"] = asset.notes.metadata;
  all["created_at"] = iso_time(asset.created_ns);
  all["updated_at"] = iso_time(asset.modified_ns);
  all["last_access_time"] = iso_time(asset.modified_ns);
  return all;
}

std::string content_hash(std::string_view text) {
  std::string hash = lower(trim(text));
  const std::string_view digits =
      std::string_view{hash}.substr(std::min(hash.size(), kHashKind.size()));
  if (hash.starts_with(kHashKind) && digits.size() == 64 &&
      digits.find_first_not_of("0123456789abcdef") == digits.npos)
    return hash;
  throw Error{Error::Kind::invalid_input, "hash must be like 'blake3:<64 hexadecimal digits>'"};
}

Response asset_problem(std::string_view code, std::string_view message, unsigned status) {
  return json_response(Json::Object{{"error", Json::Object{{"code", code},
                                                           {"message", message},
                                                           {"details", Json::Object{}}}}},
                       status);
}

}  // namespace comfy::server
