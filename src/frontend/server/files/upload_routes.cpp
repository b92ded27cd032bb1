// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/media/convert.h"
#include "foundation/media/encode.h"
#include "foundation/media/metadata.h"
#include "frontend/server/files/client_files.h"
#include "frontend/server/files/file_state.h"
#include "frontend/server/files/groups.h"
#include "frontend/server/files/multipart.h"
#include "frontend/server/files/upload_place.h"

#include <fmt/format.h>

#include <utility>

namespace comfy::server {
namespace {

/// A form of an upload, checked.
struct Upload {
  UploadPlace place;
  std::string area;       ///< as sent: "input"
  std::string subfolder;  ///< as sent
  std::string_view content;
};

paths::Area area_of(std::string_view name) {
  const auto area = paths::find_area(name);
  if (area) return *area;
  throw Error{Error::Kind::invalid_input,
              fmt::format("type must be input, temp or output, got '{}'", name)};
}

Form read_form(const Request& request) {
  return Form{request.headers.find("Content-Type").value_or(""), request.body.view()};
}

Upload read_upload(const Form& form, const Request& request, Services& services) {
  const FormPart* image = form.find("image");
  if (image == nullptr)
    throw Error{Error::Kind::invalid_input, "the form must have a file named 'image', got none"};
  if (!image->filename || image->filename->empty())
    throw Error{Error::Kind::invalid_input, "the field 'image' must be a file with a filename"};
  std::string area = form.text_or("type", "input");
  std::string subfolder = form.text_or("subfolder", "");
  const std::string overwrite = form.text_or("overwrite", "false");
  UploadPlace place{.root = services.folders.area(area_of(area), user_of(request, services)),
                    .folder = paths::ClientPath::parse_folder(subfolder),
                    .name = paths::ClientPath::parse(*image->filename)};
  if (overwrite == "true" || overwrite == "1") place.existing = paths::Existing::replace;
  check_visible(place.folder / place.name);
  return Upload{.place = std::move(place),
                .area = std::move(area),
                .subfolder = std::move(subfolder),
                .content = image->content};
}

Response answer_of(const Upload& upload, const paths::ClientPath& name) {
  return json_response(
      Json::Object{{"name", name.text()}, {"subfolder", upload.subfolder}, {"type", upload.area}});
}

Response post_image(const Request& request, Services& services) {
  const Form form = read_form(request);
  const Upload upload = read_upload(form, request, services);
  check_free_space(upload.place.root, upload.content.size(),
                   services.settings.limits.min_free_space);
  return answer_of(upload, store_upload(upload.place, upload.content, upload.content));
}

/// Opens the picture that original_ref names: {"filename", "type", "subfolder"}.
FileDescriptor open_original(const Form& form, const Request& request, Services& services) {
  const FormPart* reference = form.find("original_ref");
  if (reference == nullptr)
    throw Error{Error::Kind::invalid_input, "the form must have a field 'original_ref', got none"};
  const Json original = parse_json(reference->content);
  if (!original.is_object())
    throw Error{Error::Kind::invalid_input,
                fmt::format("original_ref must be a JSON object, got {}", original.type_name())};
  const paths::Area area = area_of(original.string_or("type", "output"));
  const paths::AnnotatedName name =
      paths::parse_annotated(original.string_or("filename", ""), area);
  const auto folder =
      paths::ClientPath::parse_folder(original.string_or("subfolder", ""), Error::Kind::forbidden);
  const paths::ClientPath path = folder / paths::ClientPath::parse(name.name);
  check_visible(path);
  return services.folders.area(name.area, user_of(request, services)).open(path);
}

/// The original with the alpha of the mask in place of its own.
media::Picture with_alpha_of(media::Picture original, const media::Picture& mask) {
  if (original.width != mask.width || original.height != mask.height)
    throw Error{Error::Kind::invalid_input,
                fmt::format("mask must have the size of its picture, {} x {}, got {} x {}",
                            original.width, original.height, mask.width, mask.height)};
  for (std::size_t i = 3; i < original.pixels.size(); i += 4) original.pixels[i] = mask.pixels[i];
  return original;
}

media::Picture decode_rgba(std::string_view file, const Limits& limits) {
  const media::DecodeLimits budget{.max_bytes = limits.decode_memory};
  return media::to_rgba(media::decode(file, budget, media::Frames::first).frames.front());
}

Response save_mask(const Request& request, Services& services) {
  const Form form = read_form(request);
  const Upload upload = read_upload(form, request, services);
  const Limits& limits = services.settings.limits;
  const std::string original = read_picture(open_original(form, request, services));
  const media::Picture picture =
      with_alpha_of(decode_rgba(original, limits), decode_rgba(upload.content, limits));
  const media::TextLimits text_limits{.max_text = limits.image_text};
  media::PngOptions options{.compression = 4, .texts = {}};
  if (media::sniff(original) == media::PictureFormat::png)
    options.texts = media::read_metadata(original, text_limits);
  const std::string png = media::encode_png(picture, options);
  check_free_space(upload.place.root, png.size(), limits.min_free_space);
  return answer_of(upload, store_upload(upload.place, upload.content, png));
}

awaitable<Response> post_mask(const Request& request, Services& services) {
  const auto work = [&request, &services] { return save_mask(request, services); };
  co_return co_await services.files.conversions.run(work);
}

}  // namespace

std::vector<Route> upload_routes() {
  return {
      {Method::post, "/upload/image", on_pool<post_image>, BodyLimit::upload},
      {Method::post, "/upload/mask", post_mask, BodyLimit::upload},
  };
}

}  // namespace comfy::server
