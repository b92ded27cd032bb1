// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/convert.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace comfy::media {
namespace {

using Rgba = std::array<std::uint8_t, 4>;

/// a * b / 255, rounded, without dividing.
int multiply_255(int a, int b) {
  const int t = a * b + 128;
  return (t / 256 + t) / 256;
}

std::uint8_t clip(double value) {
  // NaN compares false both times
  return value >= 255 ? 255 : value > 0 ? static_cast<std::uint8_t>(value) : 0;
}

Rgba grey_pixel(std::uint8_t grey) { return {grey, grey, grey, 255}; }

Rgba cmyk_pixel(const std::uint8_t* in) {
  const int light = 255 - in[3];
  Rgba out{0, 0, 0, 255};
  for (std::size_t c = 0; c < 3; ++c)
    out[c] = static_cast<std::uint8_t>(std::max(0, light - multiply_255(in[c], light)));
  return out;
}

template <class T>
T load(const std::uint8_t* in) {
  T value;
  std::memcpy(&value, in, sizeof value);
  return value;
}

/// Calls `put(rgba)` for every pixel in turn.
template <class Put>
void each_pixel(const Picture& picture, Put put) {
  const std::uint8_t* in = picture.pixels.data();
  const std::uint8_t* end = in + picture.pixels.size();
  const std::size_t bytes = pixel_bytes(picture.mode);
  for (; in != end; in += bytes) {
    switch (picture.mode) {
      case Mode::bilevel:
      case Mode::grey:
        put(grey_pixel(*in));
        break;
      case Mode::grey_alpha:
        put(Rgba{in[0], in[0], in[0], in[1]});
        break;
      case Mode::palette:
        put(picture.palette ? load<Rgba>(&picture.palette->rgba[std::size_t{*in} * 4])
                            : grey_pixel(*in));
        break;
      case Mode::rgb:
        put(Rgba{in[0], in[1], in[2], 255});
        break;
      case Mode::rgba:
        put(load<Rgba>(in));
        break;
      case Mode::cmyk:
        put(cmyk_pixel(in));
        break;
      case Mode::grey16:
        put(grey_pixel(clip(load<std::uint16_t>(in))));
        break;
      case Mode::grey32:
        put(grey_pixel(clip(load<std::int32_t>(in))));
        break;
      case Mode::grey_float:
        put(grey_pixel(clip(load<float>(in))));
        break;
    }
  }
}

Rgba narrow(const std::array<std::uint16_t, 3>& colour) {
  Rgba pixel{0, 0, 0, 255};
  for (std::size_t c = 0; c < 3; ++c) pixel[c] = static_cast<std::uint8_t>(colour[c]);
  return pixel;
}

}  // namespace

Picture to_rgb(const Picture& picture) {
  if (picture.mode == Mode::rgb) {
    Picture same = picture;
    same.transparent_colour.reset();
    return same;
  }
  Picture result = Picture::make(Mode::rgb, picture.width, picture.height);
  std::uint8_t* out = result.pixels.data();
  each_pixel(picture, [&](const Rgba& pixel) {
    std::memcpy(out, pixel.data(), 3);
    out += 3;
  });
  return result;
}

Picture to_rgba(const Picture& picture) {
  if (picture.mode == Mode::rgba) return picture;
  Picture result = Picture::make(Mode::rgba, picture.width, picture.height);
  std::uint8_t* out = result.pixels.data();
  const bool keyed = picture.transparent_colour.has_value();
  const Rgba hidden = narrow(picture.transparent_colour.value_or(std::array<std::uint16_t, 3>{}));
  each_pixel(picture, [&](Rgba pixel) {
    if (keyed && pixel == hidden) pixel[3] = 0;
    std::memcpy(out, pixel.data(), 4);
    out += 4;
  });
  return result;
}

Picture to_grey(const Picture& picture) {
  Picture result = Picture::make(Mode::grey, picture.width, picture.height);
  std::uint8_t* out = result.pixels.data();
  each_pixel(picture, [&](const Rgba& pixel) {
    // ITU-R 601-2 in 16-bit fixed point
    *out++ = static_cast<std::uint8_t>(
        (pixel[0] * 19595U + pixel[1] * 38470U + pixel[2] * 7471U + 0x8000U) >> 16);
  });
  return result;
}

bool has_transparency(const Picture& picture) {
  return picture.has_alpha_channel() || picture.transparent_colour.has_value() ||
         (picture.palette && picture.palette->transparent);
}

}  // namespace comfy::media
