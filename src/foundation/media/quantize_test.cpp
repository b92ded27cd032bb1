// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/quantize.h"

#include <gtest/gtest.h>

#include <set>

namespace comfy::media {
namespace {

/// A picture one pixel high.
Picture row_of(const std::vector<Colour>& colours) {
  Picture picture = Picture::make(Mode::rgb, static_cast<int>(colours.size()), 1);
  for (std::size_t i = 0; i < colours.size(); ++i)
    for (std::size_t c = 0; c < 3; ++c) picture.pixels[i * 3 + c] = colours[i][c];
  return picture;
}

TEST(MedianCut, KeepsEachColourOfAPictureOfFew) {
  const std::vector<Colour> colours{{1, 2, 3}, {200, 100, 50}, {0, 255, 0}, {1, 2, 3}};
  const std::vector<Colour> palette = median_cut(row_of(colours), 8);
  EXPECT_EQ(std::set(palette.begin(), palette.end()), std::set(colours.begin(), colours.end()));
  EXPECT_EQ(in_palette(row_of(colours), palette, Dither::none).pixels, row_of(colours).pixels);
}

TEST(MedianCut, TakesTheMeanOfABox) {
  const std::vector<Colour> palette = median_cut(row_of({{0, 0, 0}, {10, 20, 30}}), 1);
  EXPECT_EQ(palette, (std::vector<Colour>{{5, 10, 15}}));
}

TEST(MedianCut, CutsBehindTheColourThatHoldsTheMiddlePixel) {
  const std::vector<Colour> palette =
      median_cut(row_of({{0, 0, 0}, {0, 10, 0}, {0, 200, 0}, {0, 210, 0}}), 2);
  EXPECT_EQ(palette, (std::vector<Colour>{{0, 140, 0}, {0, 0, 0}}));
}

TEST(InPalette, SpreadsTheErrorOverTheNeighbours) {
  const std::vector<Colour> black_and_white{{0, 0, 0}, {255, 255, 255}};
  const Picture grey = row_of(std::vector<Colour>(16, Colour{127, 127, 127}));
  const Picture flat = in_palette(grey, black_and_white, Dither::none);
  const Picture dithered = in_palette(grey, black_and_white, Dither::floyd_steinberg);
  EXPECT_EQ(std::set(flat.pixels.begin(), flat.pixels.end()).size(), 1U);
  EXPECT_EQ(std::set(dithered.pixels.begin(), dithered.pixels.end()).size(), 2U);
}

}  // namespace
}  // namespace comfy::media
