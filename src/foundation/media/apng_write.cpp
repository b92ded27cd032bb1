// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/media/big_endian.h"
#include "foundation/media/encode.h"
#include "foundation/media/encode_animation.h"
#include "foundation/media/png_chunks.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>

namespace comfy::media {
namespace {

constexpr std::string_view kSignature = "\x89PNG\r\n\x1a\n";

/// Writes a PNG chunk by chunk, and numbers those of its animation.
class ChunkWriter {
 public:
  void add(std::string_view type, std::string_view data) {
    std::string named{type};
    named += data;
    file_ += big_endian(static_cast<std::uint32_t>(data.size()), 4);
    file_ += named;
    const uLong checksum =
        crc32(0, reinterpret_cast<const Bytef*>(named.data()), static_cast<uInt>(named.size()));
    file_ += big_endian(static_cast<std::uint32_t>(checksum), 4);
  }

  /// A chunk that begins with the next number of the animation.
  void add_numbered(std::string_view type, std::string_view data) {
    add(type, big_endian(number_++, 4).append(data));
  }

  std::string take() && { return std::move(file_); }

 private:
  std::string file_{kSignature};
  std::uint32_t number_ = 0;
};

/// Whole pictures that replace what was there, shown for so long.
std::string frame_control(const Picture& frame, int milliseconds) {
  constexpr std::uint32_t kNowhere = 0, kThousandths = 1000;
  const auto shown = std::clamp<int>(milliseconds, 0, std::numeric_limits<std::uint16_t>::max());
  std::string control = big_endian(static_cast<std::uint32_t>(frame.width), 4);
  control += big_endian(static_cast<std::uint32_t>(frame.height), 4);
  control += big_endian(kNowhere, 4);
  control += big_endian(kNowhere, 4);
  control += big_endian(static_cast<std::uint32_t>(shown), 2);
  control += big_endian(kThousandths, 2);
  constexpr char kKeepAndReplace[] = {0, 0};
  control.append(kKeepAndReplace, sizeof kKeepAndReplace);
  return control;
}

/// The picture of a frame into the animation; the first one is what viewers of stills see.
void add_frame(ChunkWriter& writer, const Picture& frame, bool first, const ApngOptions& options) {
  writer.add_numbered("fcTL", frame_control(frame, options.milliseconds));
  const std::string still = encode_png(frame, {.compression = options.compression, .texts = {}});
  PngChunks chunks{still};
  while (const auto chunk = chunks.next()) {
    if (chunk->type != "IDAT") continue;
    if (first)
      writer.add("IDAT", chunk->data);
    else
      writer.add_numbered("fdAT", chunk->data);
  }
}

void check(std::span<const Picture> frames) {
  if (frames.empty())
    throw Error(Error::Kind::invalid_input, "an animation needs at least one picture, got none");
  for (const Picture& frame : frames)
    if (frame.width != frames[0].width || frame.height != frames[0].height ||
        frame.mode != frames[0].mode)
      throw Error(Error::Kind::invalid_input,
                  fmt::format("pictures of an animation must have one size, got {}x{} and {}x{}",
                              frames[0].width, frames[0].height, frame.width, frame.height));
}

}  // namespace

std::string encode_apng(std::span<const Picture> frames, const ApngOptions& options) {
  check(frames);
  ChunkWriter writer;
  const std::string still =
      encode_png(frames[0], {.compression = options.compression, .texts = {}});
  PngChunks chunks{still};
  while (const auto chunk = chunks.next()) {
    if (chunk->type == "IDAT") break;
    writer.add(chunk->type, chunk->data);
  }
  if (frames.size() == 1) {
    PngChunks pixels{still};
    while (const auto chunk = pixels.next())
      if (chunk->type == "IDAT") writer.add(chunk->type, chunk->data);
  } else {
    constexpr std::uint32_t kForEver = 0;
    writer.add("acTL",
               big_endian(static_cast<std::uint32_t>(frames.size()), 4) + big_endian(kForEver, 4));
    for (std::size_t i = 0; i < frames.size(); ++i) add_frame(writer, frames[i], i == 0, options);
  }
  for (const TextEntry& entry : options.texts)
    writer.add("comf", entry.key + std::string(1, '\0') + entry.text);
  writer.add("IEND", "");
  return std::move(writer).take();
}

}  // namespace comfy::media
