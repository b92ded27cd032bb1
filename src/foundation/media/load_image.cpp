// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/load_image.h"

#include "foundation/base/error.h"
#include "foundation/media/convert.h"
#include "foundation/media/exif.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace comfy::media {
namespace {

constexpr std::int64_t kEmptyMaskSide = 64;  // of a picture without alpha, as ComfyUI has it

/// ComfyUI divides whole 32-bit greys by 255, dropping fractions, before it cuts them to 8 bits.
void scale_grey32(Picture& picture) {
  if (picture.mode != Mode::grey32) return;
  for (std::size_t at = 0; at + 4 <= picture.pixels.size(); at += 4) {
    std::int32_t value = 0;
    std::memcpy(&value, &picture.pixels[at], 4);
    value = static_cast<std::int32_t>(value * (1.0 / 255));
    std::memcpy(&picture.pixels[at], &value, 4);
  }
}

Picture prepare(Picture frame, int orientation) {
  Picture picture = upright(std::move(frame), orientation);
  scale_grey32(picture);
  return picture;
}

/// Appends every `step`-th byte from `first` on, divided by 255.
void append(std::vector<float>& values, const Picture& picture, std::size_t first,
            std::size_t step) {
  for (std::size_t i = first; i < picture.pixels.size(); i += step)
    values.push_back(static_cast<float>(picture.pixels[i]) / 255.0F);
}

/// 1 - alpha of a picture that has one, by LoadImage's rules: a channel, or a palette entry.
std::optional<std::vector<float>> mask_of(const Picture& picture) {
  const bool by_palette = picture.palette && picture.palette->transparent;
  if (!picture.has_alpha_channel() && !by_palette) return {};
  std::vector<float> values;
  append(values, to_rgba(picture), 3, 4);
  for (float& value : values) value = 1.0F - value;
  return values;
}

FloatBatch join_masks(std::vector<std::optional<std::vector<float>>> masks, std::int64_t width,
                      std::int64_t height) {
  const bool any = std::ranges::any_of(masks, [](const auto& mask) { return mask.has_value(); });
  FloatBatch batch{.frames = static_cast<std::int64_t>(masks.size()),
                   .height = any ? height : kEmptyMaskSide,
                   .width = any ? width : kEmptyMaskSide,
                   .channels = 1,
                   .values = {}};
  const auto size = static_cast<std::size_t>(batch.height * batch.width);
  batch.values.reserve(size * masks.size());
  for (auto& mask : masks) {
    if (mask) {
      batch.values.insert(batch.values.end(), mask->begin(), mask->end());
    } else {
      batch.values.resize(batch.values.size() + size);
    }
    mask.reset();
  }
  return batch;
}

/// The floats of a picture take sixteen times the bytes of its file's pixels.
DecodeLimits for_floats(DecodeLimits limits) {
  limits.max_bytes /= 4;
  return limits;
}

}  // namespace

LoadedImage load_image(std::string_view file, const DecodeLimits& limits) {
  PictureFile source = decode(file, for_floats(limits));
  LoadedImage loaded;
  std::vector<std::optional<std::vector<float>>> masks;
  for (Picture& frame : source.frames) {
    const Picture picture = prepare(std::move(frame), source.orientation);
    if (masks.empty()) {
      loaded.image.width = picture.width;
      loaded.image.height = picture.height;
    } else if (picture.width != loaded.image.width || picture.height != loaded.image.height) {
      continue;
    }
    append(loaded.image.values, to_rgb(picture), 0, 1);
    masks.push_back(mask_of(picture));
  }
  loaded.image.frames = static_cast<std::int64_t>(masks.size());
  loaded.image.channels = 3;
  loaded.mask = join_masks(std::move(masks), loaded.image.width, loaded.image.height);
  return loaded;
}

FloatBatch load_mask(std::string_view file, Channel channel, const DecodeLimits& limits) {
  PictureFile source = decode(file, for_floats(limits), Frames::first);
  const Picture picture = to_rgba(prepare(std::move(source.frames.front()), source.orientation));
  FloatBatch batch{
      .frames = 1, .height = picture.height, .width = picture.width, .channels = 1, .values = {}};
  append(batch.values, picture, static_cast<std::size_t>(channel), 4);
  if (channel == Channel::alpha) {
    for (float& value : batch.values) value = 1.0F - value;
  }
  return batch;
}

Picture picture_from_floats(std::span<const float> values, int width, int height, int channels) {
  const Mode mode = channels == 1 ? Mode::grey : channels == 4 ? Mode::rgba : Mode::rgb;
  const bool fits = width > 0 && height > 0 && (channels == 1 || channels == 3 || channels == 4) &&
                    values.size() == static_cast<std::size_t>(width) *
                                         static_cast<std::size_t>(height) *
                                         static_cast<std::size_t>(channels);
  if (!fits)
    throw Error(Error::Kind::invalid_input,
                fmt::format("{} values do not make a picture of {} x {} pixels with {} channels",
                            values.size(), width, height, channels));
  Picture picture = Picture::make(mode, width, height);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float scaled = values[i] * 255.0F;
    picture.pixels[i] = scaled >= 255.0F ? 255
                        : scaled > 0.0F  ? static_cast<std::uint8_t>(scaled)
                                         : 0;
  }
  return picture;
}

}  // namespace comfy::media
