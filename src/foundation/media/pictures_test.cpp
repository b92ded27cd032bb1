// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures of every kind against what Pillow makes of them (tests/media/make_pictures.py).
#include "foundation/base/error.h"
#include "foundation/base/hash.h"
#include "foundation/base/json.h"
#include "foundation/media/convert.h"
#include "foundation/media/decode.h"
#include "foundation/media/exif.h"
#include "foundation/media/recorded.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

namespace comfy::media {
namespace {

const std::filesystem::path kFolder = "tests/media";

const std::map<std::string, Mode> kModes{
    {"1", Mode::bilevel},    {"L", Mode::grey},    {"LA", Mode::grey_alpha}, {"P", Mode::palette},
    {"RGB", Mode::rgb},      {"RGBA", Mode::rgba}, {"CMYK", Mode::cmyk},     {"I;16", Mode::grey16},
    {"I;16B", Mode::grey16}, {"I", Mode::grey32},  {"F", Mode::grey_float}};

std::string digest(const Picture& picture) {
  const std::string_view bytes{reinterpret_cast<const char*>(picture.pixels.data()),
                               picture.pixels.size()};
  return to_hex(sha256(bytes)).substr(0, 16);
}

int worst_difference(const Picture& picture, const std::string& hex) {
  if (hex.size() != picture.pixels.size() * 2) return 255;
  int worst = 0;
  for (std::size_t i = 0; i < picture.pixels.size(); ++i) {
    const int wanted = std::stoi(hex.substr(i * 2, 2), nullptr, 16);
    worst = std::max(worst, std::abs(wanted - picture.pixels[i]));
  }
  return worst;
}

void compare(const Picture& picture, const Json& wanted) {
  EXPECT_EQ(picture.width, wanted.at("size").as_array()[0].as_int());
  EXPECT_EQ(picture.height, wanted.at("size").as_array()[1].as_int());
  const auto mode = kModes.find(wanted.at("mode").as_string());
  ASSERT_NE(mode, kModes.end()) << wanted.at("mode").as_string();
  EXPECT_STREQ(mode_name(picture.mode), mode_name(mode->second));
  if (const Json* pixels = wanted.find("rgb_pixels")) {
    EXPECT_LE(worst_difference(to_rgb(picture), pixels->as_string()), 1);
    return;
  }
  EXPECT_EQ(digest(to_rgb(picture)), wanted.at("rgb").as_string());
  const Picture rgba = to_rgba(picture);
  EXPECT_EQ(digest(rgba), wanted.at("rgba").as_string())
      << "first pixel " << int{rgba.pixels[0]} << "," << int{rgba.pixels[1]} << ","
      << int{rgba.pixels[2]} << "," << int{rgba.pixels[3]} << " for "
      << to_json(wanted.at("first"));
}

TEST(Pictures, OfEveryKindDecodeAsPillowDecodesThem) {
  const Json expected = parse_json(read_file(kFolder / "pictures.json"));
  ASSERT_GE(expected.as_object().size(), 120U);
  for (const auto& [name, frames] : expected.as_object()) {
    SCOPED_TRACE(name);
    try {
      PictureFile file = decode(read_file(kFolder / "pictures" / name));
      EXPECT_EQ(file.frames.size(), frames.as_array().size());
      for (std::size_t i = 0; i < std::min(file.frames.size(), frames.as_array().size()); ++i) {
        SCOPED_TRACE(i);
        compare(upright(file.frames[i], file.orientation), frames.as_array()[i]);
      }
    } catch (const Error& error) {
      ADD_FAILURE() << error.message;
    }
  }
}

TEST(Pictures, OnlyTheFirstFrameWhenNoMoreIsWanted) {
  for (const char* name : {"pages.tiff", "frames.webp", "frames01.gif"}) {
    const std::string file = read_file(kFolder / "pictures" / name);
    EXPECT_EQ(decode(file, {}, Frames::first).frames.size(), 1U) << name;
  }
}

}  // namespace
}  // namespace comfy::media
