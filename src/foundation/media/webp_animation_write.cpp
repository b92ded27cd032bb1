// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/media/convert.h"
#include "foundation/media/encode_animation.h"
#include "foundation/media/exif_write.h"

#include <fmt/format.h>
#include <webp/encode.h>
#include <webp/mux.h>

#include <algorithm>
#include <memory>

namespace comfy::media {
namespace {

Error refusal(std::string_view problem) {
  return Error(Error::Kind::invalid_input,
               fmt::format("the pictures cannot be written as WebP: {}", problem));
}

struct EncoderDeleter {
  void operator()(WebPAnimEncoder* encoder) const { WebPAnimEncoderDelete(encoder); }
};
using Encoder = std::unique_ptr<WebPAnimEncoder, EncoderDeleter>;

struct MuxDeleter {
  void operator()(WebPMux* mux) const { WebPMuxDelete(mux); }
};
using Mux = std::unique_ptr<WebPMux, MuxDeleter>;

/// A file in memory of the library.
struct Data {
  WebPData data{};
  Data() { WebPDataInit(&data); }
  ~Data() { WebPDataClear(&data); }
  Data(const Data&) = delete;
  Data& operator=(const Data&) = delete;
};

struct Imported {
  WebPPicture picture{};
  explicit Imported(const Picture& source) {
    WebPPictureInit(&picture);
    picture.use_argb = 1;
    picture.width = source.width;
    picture.height = source.height;
    const int stride = static_cast<int>(source.row_bytes());
    const int done = source.mode == Mode::rgba
                         ? WebPPictureImportRGBA(&picture, source.pixels.data(), stride)
                         : WebPPictureImportRGB(&picture, source.pixels.data(), stride);
    if (done == 0) throw refusal("no memory");
  }
  ~Imported() { WebPPictureFree(&picture); }
  Imported(const Imported&) = delete;
  Imported& operator=(const Imported&) = delete;
};

Picture prepared(const Picture& frame, const Picture& first) {
  if (frame.width != first.width || frame.height != first.height)
    throw refusal(fmt::format("they must have one size, got {}x{} and {}x{}", first.width,
                              first.height, frame.width, frame.height));
  return has_transparency(frame) ? to_rgba(frame) : to_rgb(frame);
}

std::string with_exif(const WebPData& file, const std::string& exif) {
  constexpr int kCopied = 1;
  const Mux mux{WebPMuxCreate(&file, kCopied)};
  if (!mux) throw refusal("it cannot be taken apart");
  const WebPData chunk{reinterpret_cast<const std::uint8_t*>(exif.data()), exif.size()};
  Data whole;
  if (WebPMuxSetChunk(mux.get(), "EXIF", &chunk, kCopied) != WEBP_MUX_OK ||
      WebPMuxAssemble(mux.get(), &whole.data) != WEBP_MUX_OK)
    throw refusal("its workflow does not fit");
  return {reinterpret_cast<const char*>(whole.data.bytes), whole.data.size};
}

/// The first text as the camera's model (0x0110), the others from its maker (0x010F) downwards.
std::string exif_of(const std::vector<TextEntry>& texts) {
  constexpr std::uint16_t kModel = 0x0110;
  std::vector<ExifText> entries;
  for (const TextEntry& entry : texts)
    entries.push_back({.tag = static_cast<std::uint16_t>(kModel - entries.size()),
                       .text = entry.key + ":" + entry.text});
  std::reverse(entries.begin(), entries.end());
  return exif_block(entries);
}

}  // namespace

std::string encode_webp_animation(std::span<const Picture> frames,
                                  const WebpAnimationOptions& options) {
  if (frames.empty()) throw refusal("there is none");
  if (std::max(frames[0].width, frames[0].height) > WEBP_MAX_DIMENSION)
    throw refusal(fmt::format("a side must have at most {} pixels", WEBP_MAX_DIMENSION));
  WebPAnimEncoderOptions layout;
  WebPAnimEncoderOptionsInit(&layout);
  const Encoder encoder{WebPAnimEncoderNew(frames[0].width, frames[0].height, &layout)};
  if (!encoder) throw refusal("no memory");
  WebPConfig config;
  WebPConfigInit(&config);
  config.lossless = options.lossless ? 1 : 0;
  config.quality = static_cast<float>(std::clamp(options.quality, 0, 100));
  config.method = std::clamp(options.method, 0, 6);
  int shown_from = 0;
  for (const Picture& frame : frames) {
    Imported imported{prepared(frame, frames[0])};
    if (WebPAnimEncoderAdd(encoder.get(), &imported.picture, shown_from, &config) == 0)
      throw refusal(WebPAnimEncoderGetError(encoder.get()));
    shown_from += options.milliseconds;
  }
  Data file;
  if (WebPAnimEncoderAdd(encoder.get(), nullptr, shown_from, nullptr) == 0 ||
      WebPAnimEncoderAssemble(encoder.get(), &file.data) == 0)
    throw refusal(WebPAnimEncoderGetError(encoder.get()));
  if (!options.texts.empty()) return with_exif(file.data, exif_of(options.texts));
  return {reinterpret_cast<const char*>(file.data.bytes), file.data.size};
}

}  // namespace comfy::media
