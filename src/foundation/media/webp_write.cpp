// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/media/convert.h"
#include "foundation/media/encode.h"

#include <fmt/format.h>
#include <webp/encode.h>

#include <algorithm>

namespace comfy::media {
namespace {

struct Writer {
  WebPPicture picture{};
  WebPMemoryWriter memory{};

  Writer() {
    WebPPictureInit(&picture);
    WebPMemoryWriterInit(&memory);
  }
  ~Writer() {
    WebPPictureFree(&picture);
    WebPMemoryWriterClear(&memory);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
};

}  // namespace

std::string encode_webp(const Picture& picture, int quality) {
  const auto refuse = [&](std::string_view problem) {
    return Error(Error::Kind::invalid_input,
                 fmt::format("a {} x {} picture cannot be written as WebP: {}", picture.width,
                             picture.height, problem));
  };
  if (std::max(picture.width, picture.height) > WEBP_MAX_DIMENSION)
    throw refuse(fmt::format("a side must have at most {} pixels", WEBP_MAX_DIMENSION));
  const bool has_alpha = has_transparency(picture);
  const Picture source = has_alpha ? to_rgba(picture) : to_rgb(picture);
  WebPConfig config;
  WebPConfigInit(&config);
  config.quality = static_cast<float>(std::clamp(quality, 0, 100));
  Writer writer;
  writer.picture.width = source.width;
  writer.picture.height = source.height;
  writer.picture.writer = WebPMemoryWrite;
  writer.picture.custom_ptr = &writer.memory;
  const int stride = static_cast<int>(source.row_bytes());
  const int imported = has_alpha
                           ? WebPPictureImportRGBA(&writer.picture, source.pixels.data(), stride)
                           : WebPPictureImportRGB(&writer.picture, source.pixels.data(), stride);
  if (imported == 0 || WebPEncode(&config, &writer.picture) == 0)
    throw refuse(fmt::format("encoder error {}", static_cast<int>(writer.picture.error_code)));
  return {reinterpret_cast<const char*>(writer.memory.mem), writer.memory.size};
}

}  // namespace comfy::media
