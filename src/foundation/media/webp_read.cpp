// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/budget.h"
#include "foundation/media/exif.h"
#include "foundation/media/riff_chunks.h"

#include <webp/decode.h>
#include <webp/demux.h>

#include <cstring>
#include <memory>
#include <utility>

namespace comfy::media {
namespace {

struct CloseDecoder {
  void operator()(WebPAnimDecoder* decoder) const { WebPAnimDecoderDelete(decoder); }
};

Picture copy_frame(const std::uint8_t* canvas, const WebPAnimInfo& info, Mode mode,
                   Budget& budget) {
  Picture frame = budget.make(mode, info.canvas_width, info.canvas_height);
  if (mode == Mode::rgba) {
    std::memcpy(frame.pixels.data(), canvas, frame.pixels.size());
    return frame;
  }
  std::uint8_t* to = frame.pixels.data();
  const std::size_t count = frame.pixels.size() / 3;
  for (std::size_t i = 0; i < count; ++i, to += 3) std::memcpy(to, canvas + i * 4, 3);
  return frame;
}

int orientation_of(std::string_view file) {
  RiffChunks chunks{file};
  while (const auto chunk = chunks.next()) {
    if (chunk->type == "EXIF") return exif_orientation(chunk->data);
  }
  return 1;
}

}  // namespace

PictureFile decode_webp(std::string_view file, Budget& budget, Frames frames) {
  const WebPData data{reinterpret_cast<const std::uint8_t*>(file.data()), file.size()};
  WebPBitstreamFeatures features{};
  if (WebPGetFeatures(data.bytes, data.size, &features) != VP8_STATUS_OK)
    throw budget.broken("its header cannot be read");
  // the decoder keeps three canvases of its own
  budget.reserve(std::uint64_t{12} * static_cast<std::uint64_t>(features.width) *
                 static_cast<std::uint64_t>(features.height));
  const std::unique_ptr<WebPAnimDecoder, CloseDecoder> decoder{WebPAnimDecoderNew(&data, nullptr)};
  WebPAnimInfo info{};
  if (!decoder || WebPAnimDecoderGetInfo(decoder.get(), &info) == 0)
    throw budget.broken("its frames cannot be found");
  const Mode mode = features.has_alpha != 0 ? Mode::rgba : Mode::rgb;
  PictureFile result;
  while (WebPAnimDecoderHasMoreFrames(decoder.get()) != 0) {
    std::uint8_t* canvas = nullptr;
    int timestamp = 0;
    if (WebPAnimDecoderGetNext(decoder.get(), &canvas, &timestamp) == 0)
      throw budget.broken("a frame cannot be decoded");
    result.frames.push_back(copy_frame(canvas, info, mode, budget));
    if (frames == Frames::first) break;
  }
  if (result.frames.empty()) throw budget.broken("it has no frames");
  result.orientation = orientation_of(file);
  return result;
}

}  // namespace comfy::media
