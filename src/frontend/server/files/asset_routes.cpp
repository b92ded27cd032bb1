// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/hash.h"
#include "foundation/base/strings.h"
#include "frontend/server/files/client_files.h"
#include "frontend/server/files/groups.h"
#include "frontend/server/files/inert_type.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace comfy::server {
namespace {

using Words = std::vector<std::string_view>;

/// A file as this API shows it. What ComfyUI keeps in a table (hashes, times of use, words that
/// users attach) is not kept here: files are looked up when somebody asks.
struct Asset {
  std::string path;               ///< below its root, components joined by "/"
  std::vector<std::string> tags;  ///< the root and the folders below it
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0, created_ns = 0;
  std::string preview_url = {};

  std::string_view name() const { return std::string_view{path}.substr(path.rfind('/') + 1); }
  bool has(std::string_view tag) const { return std::ranges::find(tags, tag) != tags.end(); }
};

Response problem(const char* code, const std::string& message, unsigned status) {
  return json_response(Json::Object{{"error", Json::Object{{"code", code},
                                                           {"message", message},
                                                           {"details", Json::Object{}}}}},
                       status);
}

Response invalid_query(const Error& error) { return problem("INVALID_QUERY", error.message, 400); }

/// The same file is always the same asset: a UUID made of where it lies.
std::string id_of(const Asset& asset) {
  const std::string hex = to_hex(sha256(join(asset.tags, "/") + "\n" + asset.path));
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

void add_pictures(std::vector<Asset>& all, const char* type, const paths::Root& root) {
  if (!root.status({})) return;
  for (const paths::Entry& entry : root.list({}, paths::Depth::recursive)) {
    if (entry.is_folder) continue;
    Asset asset{.path = entry.path,
                .tags = {type},
                .size = entry.size,
                .modified_ns = entry.modified_ns,
                .created_ns = entry.created_ns};
    add_folders(asset.tags, entry.path);
    if (inert_type(entry.path).content_type.starts_with("image/")) {
      const std::size_t slash = entry.path.rfind('/');
      asset.preview_url = fmt::format(
          "/api/view?filename={}&type={}&subfolder={}", percent_encode(asset.name()), type,
          slash == std::string::npos ? "" : percent_encode(entry.path.substr(0, slash)));
    }
    all.push_back(std::move(asset));
  }
}

std::vector<Asset> all_assets(const Request& request, Services& services) {
  std::vector<Asset> all;
  for (const std::string& kind : services.folders.model_kinds()) {
    if (kind == "configs" || kind == "custom_nodes") continue;
    for (const paths::ModelEntry& entry : services.folders.models(kind)->entries) {
      Asset asset{.path = entry.name,
                  .tags = {"models", kind},
                  .size = entry.size,
                  .modified_ns = entry.modified_ns,
                  .created_ns = entry.created_ns};
      add_folders(asset.tags, entry.name);
      all.push_back(std::move(asset));
    }
  }
  const std::string user = user_of(request, services);
  add_pictures(all, "input", services.folders.area(paths::Area::input, user));
  add_pictures(all, "output", services.folders.area(paths::Area::output, user));
  return all;
}

Json shown(const Asset& asset) {
  return Json::Object{{"id", id_of(asset)},
                      {"name", asset.name()},
                      {"asset_hash", Json{}},
                      {"size", asset.size},
                      {"mime_type", inert_type(asset.path).content_type},
                      {"tags", Json::array(asset.tags)},
                      {"preview_url", asset.preview_url.empty() ? Json{} : Json{asset.preview_url}},
                      {"created_at", iso_time(asset.created_ns)},
                      {"updated_at", iso_time(asset.modified_ns)},
                      {"last_access_time", iso_time(asset.modified_ns)}};
}

Words words_of(const Query& query, std::string_view name) {
  Words words;
  for (const std::string_view part : split(query.find(name).value_or(""), ',')) {
    if (!trim(part).empty()) words.push_back(trim(part));
  }
  return words;
}

/// Which part of a list is asked for.
struct Page {
  std::size_t limit, offset;

  template <class T>
  std::pair<std::size_t, std::size_t> bounds(const std::vector<T>& list) const {
    const std::size_t begin = std::min(offset, list.size());
    return {begin, begin + std::min(limit, list.size() - begin)};
  }
};

Page page_of(const Query& query, long long otherwise, long long most) {
  const long long limit = query.find_integer("limit").value_or(otherwise);
  const long long offset = query.find_integer("offset").value_or(0);
  if (limit < 1 || limit > most) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("limit must lie in [1, {}], got {}", most, limit)};
  }
  if (offset < 0)
    throw Error{Error::Kind::invalid_input,
                fmt::format("offset must be 0 or more, got {}", offset)};
  return {static_cast<std::size_t>(limit), static_cast<std::size_t>(offset)};
}

/// The value of `name`, one of `words`; the first is the default.
std::string_view choice_of(const Query& query, std::string_view name, const Words& words) {
  const std::string_view value = query.find(name).value_or(words.front());
  if (std::ranges::find(words, value) != words.end()) return value;
  throw Error{Error::Kind::invalid_input,
              fmt::format("{} must be one of {}, got \"{}\"", name, fmt::join(words, ", "), value)};
}

void sort_assets(std::vector<Asset>& assets, const Query& query) {
  const std::string_view key =
      choice_of(query, "sort", {"created_at", "name", "updated_at", "size", "last_access_time"});
  const bool descending = choice_of(query, "order", {"desc", "asc"}) == "desc";
  const auto before = [key](const Asset& a, const Asset& b) {
    if (key == "name") return a.name() < b.name();
    if (key == "size") return a.size < b.size;
    if (key == "created_at") return a.created_ns < b.created_ns;
    return a.modified_ns < b.modified_ns;
  };
  std::ranges::stable_sort(assets, [&](const Asset& a, const Asset& b) {
    return descending ? before(b, a) : before(a, b);
  });
}

/// Nothing has metadata of its own here, so that a filter that wants some leaves nothing.
bool wants_metadata(const Query& query) {
  const auto text = query.find("metadata_filter");
  if (!text || text->empty()) return false;
  const Json filter = parse_json(*text, {.max_bytes = 1 << 16, .max_depth = 32});
  if (filter.is_object()) return filter.as_object().size() > 0;
  throw Error{Error::Kind::invalid_input,
              fmt::format("metadata_filter must be an object, got {}", filter.type_name())};
}

Response list_assets(const Request& request, Services& services) {
  const Query& query = request.query;
  try {
    const Page page = page_of(query, 20, 500);
    const Words included = words_of(query, "include_tags");
    const Words excluded = words_of(query, "exclude_tags");
    const std::string part = lower(query.find("name_contains").value_or(""));
    const bool none = wants_metadata(query);
    std::vector<Asset> assets = all_assets(request, services);
    std::erase_if(assets, [&](const Asset& asset) {
      const auto carried = [&asset](std::string_view tag) { return asset.has(tag); };
      return none || !std::ranges::all_of(included, carried) ||
             std::ranges::any_of(excluded, carried) ||
             lower(asset.name()).find(part) == std::string::npos;
    });
    sort_assets(assets, query);
    const auto [begin, end] = page.bounds(assets);
    Json::Array list;
    for (std::size_t i = begin; i < end; ++i) list.push_back(shown(assets[i]));
    return json_response(Json::Object{
        {"assets", std::move(list)}, {"total", assets.size()}, {"has_more", end < assets.size()}});
  } catch (const Error& error) {
    if (error.kind != Error::Kind::invalid_input) throw;
    return invalid_query(error);
  }
}

Response get_asset(const Request& request, Services& services) {
  const std::string& id = request.parameters.at(0);
  for (const Asset& asset : all_assets(request, services)) {
    if (id_of(asset) != id) continue;
    Json detail = shown(asset);
    detail["user_metadata"] = Json::Object{};
    detail["preview_id"] = Json{};
    return json_response(detail);
  }
  return problem("ASSET_NOT_FOUND", "no asset has that id", 404);
}

struct TagCount {
  std::string name;
  std::size_t count = 0;
};

Response list_tags(const Request& request, Services& services) {
  const Query& query = request.query;
  try {
    const Page page = page_of(query, 100, 1000);
    const bool by_name = choice_of(query, "order", {"count_desc", "name_asc"}) == "name_asc";
    const std::string_view prefix = query.find("prefix").value_or("");
    std::map<std::string, std::size_t> counts;
    for (const Asset& asset : all_assets(request, services)) {
      for (const std::string& tag : std::set<std::string>{asset.tags.begin(), asset.tags.end()})
        if (tag.starts_with(prefix)) ++counts[tag];
    }
    std::vector<TagCount> tags;
    for (const auto& [name, count] : counts) tags.push_back({name, count});
    if (!by_name) std::ranges::stable_sort(tags, std::ranges::greater{}, &TagCount::count);
    const auto [begin, end] = page.bounds(tags);
    Json::Array list;
    for (std::size_t i = begin; i < end; ++i) {
      list.emplace_back(
          Json::Object{{"name", tags[i].name}, {"count", tags[i].count}, {"type", "system"}});
    }
    return json_response(Json::Object{
        {"tags", std::move(list)}, {"total", tags.size()}, {"has_more", end < tags.size()}});
  } catch (const Error& error) {
    if (error.kind != Error::Kind::invalid_input) throw;
    return invalid_query(error);
  }
}

}  // namespace

std::vector<Route> asset_routes() {
  return {
      {Method::get, "/api/assets", on_pool<list_assets>, BodyLimit::small, Alias::none},
      {Method::get, "/api/assets/{id}", on_pool<get_asset>, BodyLimit::small, Alias::none},
      {Method::get, "/api/tags", on_pool<list_tags>, BodyLimit::small, Alias::none},
  };
}

}  // namespace comfy::server
