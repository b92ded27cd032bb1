// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/strings.h"
#include "frontend/server/files/assets.h"
#include "frontend/server/files/groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace comfy::server {
namespace {

using Words = std::vector<std::string_view>;

Response invalid_query(const Error& error) {
  return asset_problem("INVALID_QUERY", error.message, 400);
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

/// `after` is what the page before gave as next_cursor; then the offset does not count.
Page page_of(const Query& query, long long otherwise, long long most) {
  const long long limit = query.find_integer("limit").value_or(otherwise);
  const auto cursor = query.find_integer("after");
  const long long offset = cursor ? *cursor : query.find_integer("offset").value_or(0);
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

/// What a list is narrowed down to.
struct Filter {
  Words all, any, none;
  std::string part_of_name;  ///< in lower case
  std::string hash;
  Json::Object metadata;

  bool fits(const Asset& asset) const {
    const auto carried = [&asset](std::string_view tag) { return asset.has(tag); };
    return std::ranges::all_of(all, carried) && !std::ranges::any_of(none, carried) &&
           (any.empty() || std::ranges::any_of(any, carried)) &&
           (hash.empty() || asset.hash() == hash) &&
           lower(asset.name()).find(part_of_name) != std::string::npos && has_metadata(asset);
  }

 private:
  bool has_metadata(const Asset& asset) const {
    return std::ranges::all_of(metadata, [&asset](const auto& wanted) {
      const Json* found = asset.notes.metadata.find(wanted.first);
      return found != nullptr && *found == wanted.second;
    });
  }
};

Json::Object metadata_filter(const Query& query) {
  const auto text = query.find("metadata_filter");
  if (!text || text->empty()) return {};
  Json filter = parse_json(*text, {.max_bytes = 1 << 16, .max_depth = 32});
  if (filter.is_object()) return std::move(filter.as_object());
  throw Error{Error::Kind::invalid_input,
              fmt::format("metadata_filter must be an object, got {}", filter.type_name())};
}

/// Tags by their older and newer names.
Words tags_of(const Query& query, std::string_view older, std::string_view newer) {
  Words words = words_of(query, older);
  for (const std::string_view word : words_of(query, newer)) words.push_back(word);
  return words;
}

std::vector<Asset> filtered_assets(const Request& request, Services& services) {
  const Query& query = request.query;
  const Filter filter{.all = tags_of(query, "include_tags", "tags_all"),
                      .any = words_of(query, "tags_any"),
                      .none = tags_of(query, "exclude_tags", "tags_none"),
                      .part_of_name = lower(query.find("name_contains").value_or("")),
                      .hash = lower(trim(query.find("hash").value_or(""))),
                      .metadata = metadata_filter(query)};
  std::vector<Asset> assets = all_assets(request, services);
  std::erase_if(assets, [&filter](const Asset& asset) { return !filter.fits(asset); });
  return assets;
}

Response list_assets(const Request& request, Services& services) {
  try {
    const Page page = page_of(request.query, 20, 500);
    std::vector<Asset> assets = filtered_assets(request, services);
    sort_assets(assets, request.query);
    const auto [begin, end] = page.bounds(assets);
    Json::Array list;
    for (std::size_t i = begin; i < end; ++i) list.emplace_back(shown(assets[i]));
    Json::Object answer{
        {"assets", std::move(list)}, {"total", assets.size()}, {"has_more", end < assets.size()}};
    if (end < assets.size()) answer["next_cursor"] = std::to_string(end);
    return json_response(answer);
  } catch (const Error& error) {
    if (error.kind != Error::Kind::invalid_input) throw;
    return invalid_query(error);
  }
}

Response get_asset(const Request& request, Services& services) {
  try {
    return json_response(shown(find_asset(request, services, request.parameters.at(0))));
  } catch (const Error& error) {
    if (error.kind != Error::Kind::not_found) throw;
    return asset_problem("ASSET_NOT_FOUND", error.message, 404);
  }
}

/// How many of the assets that fit carry each tag.
std::map<std::string, std::size_t> tag_counts(const std::vector<Asset>& assets) {
  std::map<std::string, std::size_t> counts;
  for (const Asset& asset : assets) {
    const std::vector<std::string> tags = asset.tags();
    for (const std::string& tag : std::set<std::string>{tags.begin(), tags.end()}) ++counts[tag];
  }
  return counts;
}

Response refine_tags(const Request& request, Services& services) {
  try {
    Json::Object counts;
    for (const auto& [tag, count] : tag_counts(filtered_assets(request, services)))
      counts[tag] = count;
    return json_response(Json::Object{{"tag_counts", std::move(counts)}});
  } catch (const Error& error) {
    if (error.kind != Error::Kind::invalid_input) throw;
    return invalid_query(error);
  }
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
    std::vector<TagCount> tags;
    for (const auto& [name, count] : tag_counts(all_assets(request, services)))
      if (name.starts_with(prefix)) tags.push_back({name, count});
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
      {Method::get, "/api/assets/tags/refine", on_pool<refine_tags>, BodyLimit::small, Alias::none},
      {Method::get, "/api/tags", on_pool<list_tags>, BodyLimit::small, Alias::none},
  };
}

}  // namespace comfy::server
