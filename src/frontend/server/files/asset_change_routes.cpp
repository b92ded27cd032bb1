// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/blake3.h"
#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "frontend/jobs/jobs.h"
#include "frontend/server/caller.h"
#include "frontend/server/files/assets.h"
#include "frontend/server/files/groups.h"
#include "frontend/server/files/inert_type.h"
#include "frontend/server/files/multipart.h"
#include "frontend/server/files/upload_place.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace comfy::server {
namespace {

using Tags = std::vector<std::string>;

constexpr std::size_t kMostTags = 100;
constexpr std::size_t kLongestWord = 512;
constexpr std::size_t kLargestPage = 500;

[[noreturn]] void refuse(std::string message) {
  throw Error{Error::Kind::invalid_input, std::move(message)};
}

/// Answers with this API's form of an error.
template <BlockingHandler handler>
Response told(const Request& request, Services& services) {
  try {
    return handler(request, services);
  } catch (const Error& error) {
    switch (error.kind) {
      case Error::Kind::not_found:
        return asset_problem("ASSET_NOT_FOUND", error.message, 404);
      case Error::Kind::forbidden:
        return asset_problem("FORBIDDEN", error.message, 403);
      case Error::Kind::invalid_input:
        return asset_problem("INVALID_BODY", error.message, 400);
      default:
        throw;
    }
  }
}

void add_tag(Tags& tags, std::string_view text) {
  const std::string_view tag = trim(text);
  if (tag.empty() || std::ranges::find(tags, tag) != tags.end()) return;
  if (tag.size() > kLongestWord || tags.size() >= kMostTags)
    refuse(fmt::format("an asset may have {} tags of {} bytes", kMostTags, kLongestWord));
  tags.emplace_back(tag);
}

Tags tags_of(const Json& list) {
  if (!list.is_array())
    refuse(fmt::format("tags must be an array of strings, got {}", list.type_name()));
  Tags tags;
  for (const Json& tag : list.as_array()) {
    if (!tag.is_string()) refuse(fmt::format("a tag must be a string, got {}", tag.type_name()));
    add_tag(tags, tag.as_string());
  }
  return tags;
}

/// Tags of a form: fields with one tag, several with commas between, or a JSON array.
Tags tags_of(const Form& form) {
  Tags tags;
  for (const FormPart& part : form.parts()) {
    if (part.name != "tags" || part.filename) continue;
    const std::string_view text = trim(part.content);
    if (text.starts_with('[')) {
      for (const std::string& tag : tags_of(parse_json(text))) add_tag(tags, tag);
    } else {
      for (const std::string_view tag : split(text, ',')) add_tag(tags, tag);
    }
  }
  return tags;
}

Json::Object metadata_of(const Json& value) {
  if (value.is_null()) return {};
  if (!value.is_object())
    refuse(fmt::format("user_metadata must be an object, got {}", value.type_name()));
  return value.as_object();
}

/// What is to be attached; members that are not there change nothing.
struct Attachment {
  std::optional<std::string> name = {};
  Tags tags = {};
  std::optional<Json::Object> metadata = {};
  std::optional<std::string> preview_id = {};

  void attach_to(Asset& asset) const {
    AssetNotes& notes = asset.notes;
    if (name && !name->empty()) notes.name = *name == asset.file_name() ? "" : *name;
    for (const std::string& tag : tags)
      if (!asset.has(tag)) add_tag(notes.tags, tag);
    if (metadata) notes.metadata = *metadata;
    if (preview_id) notes.preview_id = *preview_id;
  }
};

std::optional<std::string> text_of(const Json::Object& body, std::string_view key) {
  const Json* value = body.find(key);
  if (value == nullptr || value->is_null()) return {};
  if (!value->is_string())
    refuse(fmt::format("{} must be a string, got {}", key, value->type_name()));
  if (value->as_string().size() > kLongestWord)
    refuse(
        fmt::format("{} may have {} bytes, got {}", key, kLongestWord, value->as_string().size()));
  return value->as_string();
}

Attachment attachment_of(const Json::Object& body) {
  Attachment wanted{.name = text_of(body, "name"), .preview_id = text_of(body, "preview_id")};
  if (const Json* tags = body.find("tags"); tags != nullptr && !tags->is_null())
    wanted.tags = tags_of(*tags);
  if (const Json* metadata = body.find("user_metadata"); metadata && !metadata->is_null())
    wanted.metadata = metadata_of(*metadata);
  return wanted;
}

Attachment attachment_of(const Form& form) {
  Json::Object body;
  for (const char* key : {"name", "preview_id"})
    if (form.find(key) != nullptr) body[key] = form.text_or(key, "");
  if (const std::string text = form.text_or("user_metadata", ""); !trim(text).empty())
    body["user_metadata"] = parse_json(text);
  Attachment wanted = attachment_of(body);
  wanted.tags = tags_of(form);
  return wanted;
}

Response created(const Asset& asset, bool is_new, unsigned status) {
  Json::Object answer = shown(asset);
  answer["created_new"] = is_new;
  return json_response(answer, status);
}

/// The asset that has this content, with more attached to it.
Response from_known_content(const Request& request, Services& services, std::string_view hash,
                            const Attachment& wanted) {
  auto asset = find_content(request, services, content_hash(hash));
  if (!asset) throw Error{Error::Kind::not_found, fmt::format("no asset has the content {}", hash)};
  wanted.attach_to(*asset);
  write_notes(request, services, *asset);
  return created(*asset, false, 201);
}

/// The area that the tags of an upload name.
std::string_view area_of(const Tags& tags) {
  for (const std::string_view area : {"input", "output"})
    if (std::ranges::find(tags, area) != tags.end()) return area;
  if (std::ranges::find(tags, "models") != tags.end())
    throw Error{Error::Kind::forbidden,
                "models are put into their folders by who runs the server, not by its clients"};
  refuse("tags must name where the file goes: input or output");
}

Response upload_file(const Request& request, Services& services, const Form& form,
                     const FormPart& file) {
  const Attachment wanted = attachment_of(form);
  const std::string hash = fmt::format("blake3:{}", to_hex(blake3(file.content)));
  const std::string expected = form.text_or("hash", "");
  if (!trim(expected).empty() && content_hash(expected) != hash)
    return asset_problem("HASH_MISMATCH", fmt::format("the file has the hash {}", hash), 400);
  const std::string_view area = area_of(wanted.tags);
  const UploadPlace place{
      .root = services.folders.area(*paths::find_area(area), user_of(request, services)),
      .name = paths::ClientPath::parse(file.filename->empty() ? wanted.name.value_or("")
                                                              : *file.filename)};
  check_visible(place.name);
  check_free_space(place.root, file.content.size(), services.settings.limits.min_free_space);
  const bool had_it = place.root.status(place.name).has_value();
  const paths::ClientPath name = store_upload(place, file.content, file.content);
  paths::Entry entry = place.root.status(name).value();
  entry.path = name.text();
  Asset asset = asset_at(area, entry);
  const bool is_new = !had_it || name.text() != place.name.text();
  if (!is_new) asset = find_asset(request, services, asset.id);
  wanted.attach_to(asset);
  asset.notes.hash = hash;
  asset.notes.hashed_size = asset.size;
  asset.notes.hashed_ns = asset.modified_ns;
  write_notes(request, services, asset);
  return created(asset, is_new, is_new ? 201 : 200);
}

Response post_asset(const Request& request, Services& services) {
  const Form form{request.headers.find("Content-Type").value_or(""), request.body.view()};
  const FormPart* file = form.find("file");
  if (file != nullptr && file->filename) return upload_file(request, services, form, *file);
  const std::string hash = form.text_or("hash", "");
  if (trim(hash).empty())
    return asset_problem("MISSING_INPUT", "the form must have a file or a hash, got neither", 400);
  return from_known_content(request, services, hash, attachment_of(form));
}

Response post_from_hash(const Request& request, Services& services) {
  const Json::Object body = request.json_object();
  const auto hash = text_of(body, "hash");
  if (!hash) refuse("the body must have a hash, got none");
  return from_known_content(request, services, *hash, attachment_of(body));
}

Response get_hash(const Request& request, Services& services) {
  std::string hash;
  try {
    hash = content_hash(request.parameters.at(0));
  } catch (const Error& error) {
    return asset_problem("INVALID_HASH", error.message, 400);
  }
  return empty_response(find_content(request, services, hash) ? 200 : 404);
}

Response get_content(const Request& request, Services& services) {
  const Asset asset = find_asset(request, services, request.parameters.at(0));
  return inert_file(open_asset(request, services, asset), asset.file_name());
}

Response put_asset(const Request& request, Services& services) {
  Attachment wanted = attachment_of(request.json_object());
  if (!wanted.name && !wanted.metadata && !wanted.preview_id)
    refuse("the body must have one of name, user_metadata and preview_id, got none");
  wanted.tags.clear();  // they have routes of their own
  Asset asset = find_asset(request, services, request.parameters.at(0));
  wanted.attach_to(asset);
  write_notes(request, services, asset);
  return json_response(shown(asset));
}

Response delete_asset(const Request& request, Services& services) {
  const Asset asset = find_asset(request, services, request.parameters.at(0));
  if (asset.is_model())
    throw Error{Error::Kind::forbidden,
                "models are removed by who runs the server, not by its clients"};
  const paths::Root root =
      services.folders.area(*paths::find_area(asset.places.front()), user_of(request, services));
  root.remove(paths::ClientPath::parse(asset.path));
  forget_notes(request, services, asset.id);
  return empty_response(204);
}

Tags wanted_tags(const Request& request) {
  const Json::Object body = request.json_object();
  const Json* list = body.find("tags");
  Tags tags = list == nullptr ? Tags{} : tags_of(*list);
  if (tags.empty()) refuse("tags must be an array with one tag or more");
  return tags;
}

Response post_tags(const Request& request, Services& services) {
  Asset asset = find_asset(request, services, request.parameters.at(0));
  Tags added, present;
  for (const std::string& tag : wanted_tags(request)) {
    if (asset.has(tag)) {
      present.push_back(tag);
      continue;
    }
    add_tag(asset.notes.tags, tag);
    added.push_back(tag);
  }
  write_notes(request, services, asset);
  return json_response(Json::Object{{"added", Json::array(added)},
                                    {"already_present", Json::array(present)},
                                    {"total_tags", Json::array(asset.tags())}});
}

/// Takes tags away; those that say where the file lies stay.
Response delete_tags(const Request& request, Services& services) {
  Asset asset = find_asset(request, services, request.parameters.at(0));
  Tags removed, absent, fixed;
  for (const std::string& tag : wanted_tags(request)) {
    const bool is_place = std::ranges::find(asset.places, tag) != asset.places.end();
    const bool was_there = std::erase(asset.notes.tags, tag) > 0;
    (is_place ? fixed : was_there ? removed : absent).push_back(tag);
  }
  write_notes(request, services, asset);
  return json_response(Json::Object{{"removed", Json::array(removed)},
                                    {"not_present", Json::array(absent)},
                                    {"protected", Json::array(fixed)},
                                    {"total_tags", Json::array(asset.tags())}});
}

/// Files are looked up when somebody asks: there is nothing to be scanned first.
Response seed(const Request&, Services&) {
  return json_response(Json::Object{{"status", "completed"}});
}

/// The file that an entry of a node's output names; nothing for other values and lost files.
std::optional<Asset> output_file(const Json& item, const Request& request, Services& services) {
  if (!item.is_object() || item.string_or("filename", "").empty()) return {};
  const std::string type = item.string_or("type", "output");
  const auto area = paths::find_area(type);
  if (!area || *area == paths::Area::user) return {};
  try {
    const auto path = paths::ClientPath::parse_folder(item.string_or("subfolder", "")) /
                      paths::ClientPath::parse(item.string_or("filename", ""));
    auto entry = services.folders.area(*area, user_of(request, services)).status(path);
    if (!entry || entry->is_folder) return {};
    entry->path = path.text();
    return asset_at(type, *entry);
  } catch (const Error&) {
    return {};
  }
}

Json::Array files_of(const Json& outputs, const Request& request, Services& services) {
  Json::Array list;
  for (const auto& [node, output] : outputs.as_object()) {
    if (!output.is_object()) continue;
    for (const auto& [key, items] : output.as_object()) {
      if (!items.is_array()) continue;
      for (std::size_t i = 0; i < items.as_array().size(); ++i) {
        const auto asset = output_file(items.as_array()[i], request, services);
        if (!asset) continue;
        Json::Object entry = shown(*asset);
        entry["node_id"] = node;
        entry["output_key"] = key;
        entry["output_index"] = i;
        list.emplace_back(std::move(entry));
      }
    }
  }
  return list;
}

/// The files that a job made and that are still there.
Response job_assets(const Request& request, Services& services) {
  const std::string& id = request.parameters.at(0);
  const auto text = services.jobs.job(caller_of(request), id);
  if (!text) return json_response(Json::Object{{"error", "Job not found"}}, 404);
  const Json job = parse_json(*text);
  const Json* outputs = job.find("outputs");
  Json::Array all;
  if (outputs != nullptr && outputs->is_object()) all = files_of(*outputs, request, services);
  const auto limit = request.query.find_integer("limit").value_or(100);
  const auto offset = request.query.find_integer("offset").value_or(0);
  const std::size_t begin = std::min(static_cast<std::size_t>(std::max(offset, 0LL)), all.size());
  const std::size_t most =
      std::clamp<std::size_t>(static_cast<std::size_t>(std::max(limit, 1LL)), 1, kLargestPage);
  const std::size_t end = begin + std::min(most, all.size() - begin);
  const auto at = [&all](std::size_t i) { return all.begin() + static_cast<std::ptrdiff_t>(i); };
  return json_response(Json::Object{{"job_id", id},
                                    {"assets", Json::Array(at(begin), at(end))},
                                    {"pagination", Json::Object{{"offset", begin},
                                                                {"limit", most},
                                                                {"total", all.size()},
                                                                {"has_more", end < all.size()}}}});
}

}  // namespace

std::vector<Route> asset_change_routes() {
  constexpr auto small = BodyLimit::small;
  constexpr auto none = Alias::none;
  return {
      {Method::post, "/api/assets", on_pool<told<post_asset>>, BodyLimit::upload, none},
      {Method::post, "/api/assets/from-hash", on_pool<told<post_from_hash>>, small, none},
      {Method::post, "/api/assets/seed", on_pool<seed>, small, none},
      {Method::get, "/api/assets/hash/{hash}", on_pool<get_hash>, small, none},
      {Method::get, "/api/assets/{id}/content", on_pool<told<get_content>>, small, none},
      {Method::put, "/api/assets/{id}", on_pool<told<put_asset>>, small, none},
      {Method::delete_, "/api/assets/{id}", on_pool<told<delete_asset>>, small, none},
      {Method::post, "/api/assets/{id}/tags", on_pool<told<post_tags>>, small, none},
      {Method::delete_, "/api/assets/{id}/tags", on_pool<told<delete_tags>>, small, none},
      {Method::get, "/api/jobs/{job_id}/assets", on_pool<job_assets>, small, none},
  };
}

}  // namespace comfy::server
