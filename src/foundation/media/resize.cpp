// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/resize.h"

#include "foundation/base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace comfy::media {
namespace {

// Weights are kept in fixed point, as Pillow keeps them: 8 bits of pixel, 2 of headroom.
constexpr int kFraction = 32 - 8 - 2;

/// The source pixels that make up one pixel of the result, and their weights.
struct Taps {
  int first = 0;
  std::vector<int> weights;
};

int nearest(double place) { return static_cast<int>(std::floor(place + 0.5)); }

std::vector<Taps> taps_for(int from, int to) {
  const double scale = static_cast<double>(from) / to;
  const double reach = std::max(scale, 1.0);  // half the width of the triangle
  std::vector<Taps> all(static_cast<std::size_t>(to));
  for (int i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(0, nearest(centre - reach));
    const int end = std::min(from, nearest(centre + reach));
    std::vector<double> weights;
    double sum = 0;
    for (int x = first; x < end; ++x) {
      weights.push_back(std::max(0.0, 1.0 - std::abs((x - centre + 0.5) / reach)));
      sum += weights.back();
    }
    Taps& taps = all[static_cast<std::size_t>(i)];
    taps.first = first;
    for (const double weight : weights)
      taps.weights.push_back(static_cast<int>(std::lround(weight / sum * (1 << kFraction))));
  }
  return all;
}

std::uint8_t apply(const Taps& taps, const std::uint8_t* pixels, std::size_t step) {
  int sum = 1 << (kFraction - 1);
  for (const int weight : taps.weights) {
    sum += *pixels * weight;
    pixels += step;
  }
  return static_cast<std::uint8_t>(std::clamp(sum >> kFraction, 0, 255));
}

Picture resize_across(const Picture& picture, int width) {
  Picture result = Picture::make(picture.mode, width, picture.height);
  const std::vector<Taps> all = taps_for(picture.width, width);
  const std::size_t bytes = pixel_bytes(picture.mode);
  for (int y = 0; y < picture.height; ++y) {
    std::uint8_t* out = result.row(y);
    for (const Taps& taps : all) {
      const std::uint8_t* in = picture.row(y) + static_cast<std::size_t>(taps.first) * bytes;
      for (std::size_t c = 0; c < bytes; ++c) *out++ = apply(taps, in + c, bytes);
    }
  }
  return result;
}

Picture resize_down(const Picture& picture, int height) {
  Picture result = Picture::make(picture.mode, picture.width, height);
  const std::vector<Taps> all = taps_for(picture.height, height);
  const std::size_t row = picture.row_bytes();
  for (int y = 0; y < height; ++y) {
    const Taps& taps = all[static_cast<std::size_t>(y)];
    const std::uint8_t* in = picture.row(taps.first);
    std::uint8_t* out = result.row(y);
    for (std::size_t i = 0; i < row; ++i) out[i] = apply(taps, in + i, row);
  }
  return result;
}

}  // namespace

Picture resize_bilinear(const Picture& picture, int width, int height) {
  if (width < 1 || height < 1)
    throw Error(Error::Kind::invalid_input,
                fmt::format("size must be at least 1 x 1, got {} x {}", width, height));
  if (picture.mode != Mode::grey && picture.mode != Mode::grey_alpha && picture.mode != Mode::rgb &&
      picture.mode != Mode::rgba)
    throw Error(Error::Kind::unsupported,
                fmt::format("a {} picture cannot be scaled", mode_name(picture.mode)));
  const Picture across = width == picture.width ? picture : resize_across(picture, width);
  return height == picture.height ? across : resize_down(across, height);
}

Picture fit_into_square(const Picture& picture, int side) {
  int width = side;
  int height = side;
  if (picture.width > picture.height) {
    height =
        static_cast<int>(std::lround(static_cast<double>(picture.height) / picture.width * side));
  } else if (picture.height > picture.width) {
    width =
        static_cast<int>(std::lround(static_cast<double>(picture.width) / picture.height * side));
  }
  return resize_bilinear(picture, std::max(width, 1), std::max(height, 1));
}

}  // namespace comfy::media
