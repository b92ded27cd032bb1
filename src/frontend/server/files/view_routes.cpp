// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "foundation/media/convert.h"
#include "foundation/media/encode.h"
#include "frontend/server/files/assets.h"
#include "frontend/server/files/client_files.h"
#include "frontend/server/files/file_state.h"
#include "frontend/server/files/groups.h"
#include "frontend/server/files/inert_type.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace comfy::server {
namespace {

struct Found {
  FileDescriptor file;
  std::string name;
};

/// The file that filename, type and subfolder name. Throws Error with the kind that ComfyUI's
/// statuses stand for.
Found find_file(const Request& request, Services& services) {
  const auto filename = request.query.find("filename");
  if (!filename) throw Error{Error::Kind::not_found, "the query must have a filename, got none"};
  if (filename->starts_with("blake3:")) {
    const auto asset = find_content(request, services, content_hash(*filename));
    if (!asset) throw Error{Error::Kind::not_found, "no asset has that content"};
    return {open_asset(request, services, *asset), std::string{asset->file_name()}};
  }
  const std::string_view type = request.query.find("type").value_or("output");
  const auto typed = paths::find_area(type);
  const paths::AnnotatedName named =
      paths::parse_annotated(*filename, typed.value_or(paths::Area::user));
  if (named.name.empty() || named.name.front() == '/' || named.name.find("..") != std::string::npos)
    throw Error{Error::Kind::invalid_input,
                "filename must be a name without '..' that does not begin with '/'"};
  if (named.area == paths::Area::user)
    throw Error{Error::Kind::invalid_input,
                fmt::format("type must be output, input or temp, got '{}'", type)};
  const auto folder = paths::ClientPath::parse_folder(request.query.find("subfolder").value_or(""),
                                                      Error::Kind::forbidden);
  // only the last component counts; folders are named by subfolder
  const paths::ClientPath path =
      folder /
      paths::ClientPath::parse(std::string_view{named.name}.substr(named.name.rfind('/') + 1));
  check_visible(path);
  const paths::Root root = services.folders.area(named.area, user_of(request, services));
  return {root.open(path), std::string{path.name()}};
}

/// What the query asks a picture to be turned into.
struct Conversion {
  enum class Kind : std::uint8_t { preview, colours, alpha };
  Kind kind = Kind::preview;
  bool is_jpeg = false;
  bool drops_alpha = false;
  int quality = 90;
};

Conversion read_preview(std::string_view preview, std::string_view channel) {
  const auto parts = split(preview, ';');
  Conversion conversion;
  conversion.is_jpeg = parts.front() == "jpeg" && channel.find('a') == channel.npos;
  conversion.drops_alpha = channel == "rgb";
  const std::string_view digits = parts.back();
  const auto [end, fault] =
      std::from_chars(digits.data(), digits.data() + digits.size(), conversion.quality);
  if (fault != std::errc{} || end != digits.data() + digits.size() || digits.starts_with('-'))
    conversion.quality = 90;
  return conversion;
}

std::optional<Conversion> read_conversion(const Request& request) {
  const std::string_view channel = request.query.find("channel").value_or("rgba");
  if (const auto preview = request.query.find("preview"))
    return read_preview(*preview, request.query.find("channel").value_or(""));
  if (channel == "rgb") return Conversion{.kind = Conversion::Kind::colours};
  if (channel == "a") return Conversion{.kind = Conversion::Kind::alpha};
  return {};
}

/// A black picture with the other's alpha; opaque unless the other is RGBA, as ComfyUI has it.
media::Picture alpha_of(const media::Picture& picture) {
  media::Picture alpha = media::Picture::make(media::Mode::rgba, picture.width, picture.height);
  for (std::size_t i = 3; i < alpha.pixels.size(); i += 4)
    alpha.pixels[i] = picture.mode == media::Mode::rgba ? picture.pixels[i] : 255;
  return alpha;
}

struct Converted {
  std::string bytes;
  std::string_view content_type;
};

Converted convert(const media::Picture& picture, const Conversion& conversion) {
  if (conversion.kind == Conversion::Kind::colours)
    return {media::encode_png(media::to_rgb(picture)), "image/png"};
  if (conversion.kind == Conversion::Kind::alpha)
    return {media::encode_png(alpha_of(picture)), "image/png"};
  if (conversion.is_jpeg)
    return {media::encode_jpeg(media::to_rgb(picture), conversion.quality), "image/jpeg"};
  const bool plain = conversion.drops_alpha;
  return {media::encode_webp(plain ? media::to_rgb(picture) : picture, conversion.quality),
          "image/webp"};
}

Response view_converted(const Request& request, Services& services, const Conversion& conversion) {
  const Found found = find_file(request, services);
  const media::DecodeLimits limits{.max_bytes = services.settings.limits.decode_memory};
  const std::string file = read_picture(found.file);
  const media::PictureFile picture = media::decode(file, limits, media::Frames::first);
  Converted converted = convert(picture.frames.front(), conversion);
  Response response;
  response.body = std::move(converted.bytes);
  add_inert_headers(response, converted.content_type, found.name, true);
  return response;
}

Response view_file(const Request& request, Services& services) {
  Found found = find_file(request, services);
  return inert_file(std::move(found.file), found.name);
}

awaitable<Response> get_view(const Request& request, Services& services) {
  const auto conversion = read_conversion(request);
  if (!conversion) {
    const auto work = [&request, &services] { return view_file(request, services); };
    co_return co_await services.blocking.run(work);
  }
  const auto work = [&request, &services, &conversion] {
    return view_converted(request, services, *conversion);
  };
  co_return co_await services.files.conversions.run(work);
}

}  // namespace

std::vector<Route> view_routes() { return {{Method::get, "/view", get_view}}; }

}  // namespace comfy::server
