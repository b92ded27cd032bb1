// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "foundation/formats/safetensors.h"
#include "foundation/media/encode.h"
#include "foundation/paths/content_kind.h"
#include "frontend/server/files/base64.h"
#include "frontend/server/files/client_files.h"
#include "frontend/server/files/file_state.h"
#include "frontend/server/files/groups.h"
#include "frontend/server/files/inert_type.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace comfy::server {
namespace {

constexpr int kPreviewQuality = 80;  // Pillow's own for WebP
constexpr std::size_t kMetadataHeader = std::size_t{1} << 20;
constexpr std::size_t kCoverHeader = std::size_t{8} << 20;

/// A kind by the name that GET /models shows; the older names are none.
const paths::ModelFolder& folder_of(const Request& request, Services& services) {
  const std::string& kind = request.parameters.at(0);
  const paths::ModelFolder* folder = services.folders.find_model_folder(kind);
  if (folder == nullptr || folder->kind != kind)
    throw Error{Error::Kind::not_found, "no model folder has that name"};
  return *folder;
}

Response get_embeddings(const Request&, Services& services) {
  Json::Array names;
  for (const std::string& name : services.folders.models("embeddings")->names())
    names.emplace_back(split_suffix(name).stem);
  return json_response(names);
}

Response get_models(const Request&, Services& services) {
  return json_response(Json::array(services.folders.model_kinds()));
}

Response get_models_of(const Request& request, Services& services) {
  const paths::ModelFolder& folder = folder_of(request, services);
  const auto list = services.folders.models(folder.kind);
  return json_bytes(services.files.model_texts.text_of(folder.kind, *list));
}

Response get_model_folders(const Request&, Services& services) {
  Json::Array all;
  for (const std::string& kind : services.folders.model_kinds()) {
    if (kind == "configs" || kind == "custom_nodes") continue;
    Json::Array folders;
    for (const paths::Root& root : services.folders.find_model_folder(kind)->roots)
      folders.emplace_back(services.folders.shown(root.path()));
    all.emplace_back(Json::Object{{"name", kind}, {"folders", std::move(folders)}});
  }
  return json_response(all);
}

bool is_hidden(std::string_view path) {
  return path.starts_with('.') || path.find("/.") != path.npos;
}

Response get_model_entries(const Request& request, Services& services) {
  const paths::ModelFolder& folder = folder_of(request, services);
  Json::Array all;
  for (const paths::ModelEntry& entry : services.folders.models(folder.kind)->entries) {
    if (is_hidden(entry.name)) continue;
    all.emplace_back(Json::Object{{"name", entry.name},
                                  {"pathIndex", entry.root},
                                  {"modified", python_time(entry.modified_ns)},
                                  {"created", python_time(entry.created_ns)},
                                  {"size", entry.size}});
  }
  return json_response(all);
}

/// The picture beside a model: <model>.<suffix> or <model>.preview.<suffix>, the first by name.
std::optional<std::string> picture_beside(const paths::Root& root, const paths::ClientPath& model) {
  const std::string stem{split_suffix(model.name()).stem};
  std::vector<paths::Entry> entries;
  try {
    entries = root.list(model.folder(), paths::Depth::shallow);
  } catch (const Error&) {
    return {};  // a folder that is not there
  }
  for (const paths::Entry& entry : entries) {
    const std::string_view found = split_suffix(entry.path).stem;
    if (entry.is_folder || paths::content_kind(entry.path) != "image") continue;
    if (found == stem || found == stem + ".preview")
      return read_picture(root.open(model.renamed(entry.path)));
  }
  return {};
}

/// The first cover that a training tool left in the model's own header.
std::optional<std::string> cover_inside(const paths::Root& root, const paths::ClientPath& model) {
  const auto file = model.name().ends_with(".safetensors") ? root.find(model) : std::nullopt;
  if (!file) return {};
  const auto metadata = formats::safetensors_metadata(file->get(), kCoverHeader);
  if (!metadata) return {};
  const Json covers = parse_json(metadata->string_or("ssmd_cover_images", "[]"));
  if (!covers.is_array() || covers.as_array().empty() || !covers.as_array().front().is_string())
    return {};
  return decode_base64(covers.as_array().front().as_string());
}

Error no_preview() { return Error{Error::Kind::not_found, "the model has no preview"}; }

Response preview_of(const Request& request, Services& services) {
  const paths::ModelFolder& folder = folder_of(request, services);
  const std::string& index_text = request.parameters.at(1);
  const auto index =
      Query{"index=" + percent_encode(index_text)}.find_integer("index").value_or(-1);
  const paths::Root* found =
      index < 0 ? nullptr : folder.find_root(static_cast<std::size_t>(index));
  if (found == nullptr) throw no_preview();
  const paths::Root& root = *found;
  const auto model = paths::ClientPath::parse(request.parameters.at(2), Error::Kind::not_found);
  try {
    auto picture = picture_beside(root, model);
    if (!picture) picture = cover_inside(root, model);
    if (!picture) throw no_preview();
    const media::DecodeLimits limits{.max_bytes = services.settings.limits.decode_memory};
    const auto decoded = media::decode(*picture, limits, media::Frames::first);
    Response response;
    response.body = media::encode_webp(decoded.frames.front(), kPreviewQuality);
    add_inert_headers(response, "image/webp", "preview.webp", true);
    return response;
  } catch (const Error& error) {
    if (error.kind == Error::Kind::invalid_input || error.kind == Error::Kind::too_large)
      throw no_preview();  // what cannot be shown is as good as absent
    throw;
  }
}

awaitable<Response> get_preview(const Request& request, Services& services) {
  const auto work = [&request, &services] { return preview_of(request, services); };
  co_return co_await services.files.conversions.run(work);
}

Response get_metadata(const Request& request, Services& services) {
  const Error nothing{Error::Kind::not_found, "no safetensors file with metadata has that name"};
  const std::string_view name = request.query.find("filename").value_or("");
  if (!name.ends_with(".safetensors")) throw nothing;
  const auto model = services.folders.find_model(request.parameters.at(0), name);
  if (!model) throw nothing;
  try {
    const auto metadata = formats::safetensors_metadata(model->file.get(), kMetadataHeader);
    if (metadata) return json_response(*metadata);
  } catch (const Error& error) {
    if (error.kind == Error::Kind::internal) throw;
  }
  throw nothing;
}

}  // namespace

std::vector<Route> model_routes() {
  return {
      {Method::get, "/embeddings", on_pool<get_embeddings>},
      {Method::get, "/models", on_pool<get_models>},
      {Method::get, "/models/{folder}", on_pool<get_models_of>},
      {Method::get, "/experiment/models", on_pool<get_model_folders>},
      {Method::get, "/experiment/models/{folder}", on_pool<get_model_entries>},
      {Method::get, "/experiment/models/preview/{folder}/{path_index}/{filename...}", get_preview},
      {Method::get, "/view_metadata/{folder_name}", on_pool<get_metadata>},
  };
}

}  // namespace comfy::server
