// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/encode.h"

#include "foundation/base/error.h"
#include "foundation/base/json.h"
#include "foundation/media/convert.h"
#include "foundation/media/decode.h"
#include "foundation/media/encode_animation.h"
#include "foundation/media/exif_write.h"
#include "foundation/media/metadata.h"
#include "foundation/media/png_chunks.h"
#include "foundation/media/recorded.h"
#include "foundation/media/resize.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>

namespace comfy::media {
namespace {

Picture noise(Mode mode, int width = 9, int height = 6) {
  std::mt19937 dice{3};
  Picture picture = Picture::make(mode, width, height);
  for (std::uint8_t& byte : picture.pixels) byte = static_cast<std::uint8_t>(dice());
  if (mode == Mode::bilevel)
    for (std::uint8_t& byte : picture.pixels) byte = byte > 127 ? 255 : 0;
  if (mode == Mode::palette) {
    picture.palette.emplace();
    for (std::uint8_t& byte : picture.palette->rgba) byte = static_cast<std::uint8_t>(dice());
    picture.palette->transparent = true;
  }
  return picture;
}

Picture gradient(Mode mode, int width, int height) {
  Picture picture = Picture::make(mode, width, height);
  const std::size_t bytes = pixel_bytes(mode);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (std::size_t c = 0; c < bytes; ++c)
        picture.row(y)[static_cast<std::size_t>(x) * bytes + c] =
            static_cast<std::uint8_t>(c == 0   ? x * 255 / width
                                      : c == 1 ? y * 255 / height
                                               : 128 + (x + y) * 40 / width);
  return picture;
}

TEST(EncodePng, ReturnsEveryModeItTakes) {
  for (const Mode mode : {Mode::bilevel, Mode::grey, Mode::grey_alpha, Mode::palette, Mode::rgb,
                          Mode::rgba, Mode::grey16}) {
    const Picture picture = noise(mode);
    const Picture again = decode(encode_png(picture)).frames.at(0);
    EXPECT_EQ(again.mode, mode) << mode_name(mode);
    EXPECT_EQ(again.pixels, picture.pixels) << mode_name(mode);
    EXPECT_EQ(to_rgba(again).pixels, to_rgba(picture).pixels) << mode_name(mode);
  }
  EXPECT_THROW(encode_png(noise(Mode::cmyk)), Error);
}

TEST(EncodePng, LaysItsChunksOutAsComfyUI) {
  const std::string file =
      encode_png(noise(Mode::rgb),
                 {.compression = 4, .texts = {{"prompt", "{}"}, {"workflow", "{\"a\": 1}"}}});
  std::string layout;
  PngChunks chunks{file};
  while (const auto chunk = chunks.next()) {
    layout += std::string{chunk->type} + " ";
    if (chunk->type == "tEXt") layout += chunk->data.substr(0, chunk->data.find('\0')).data();
  }
  EXPECT_EQ(layout, "IHDR tEXt prompttEXt workflowIDAT IEND ");
}

TEST(EncodePng, WritesTheBytesThatWereRecorded) {
  const auto folder = recorded_data() / "reference/files";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no recorded data at " << folder;
  for (const char* name : {"0.3.64_12345_00001_.png", "0.3.64_save_basic_00001_.png"}) {
    const std::string recorded = read_file(folder / name);
    const std::string ours = encode_png(decode(recorded).frames.at(0),
                                        {.compression = 4, .texts = read_metadata(recorded)});
    PngChunks a{recorded};
    PngChunks b{ours};
    while (const auto wanted = a.next()) {
      const auto found = b.next();
      ASSERT_TRUE(found);
      EXPECT_EQ(found->type, wanted->type);
      if (wanted->type != "IDAT") {
        EXPECT_EQ(found->data, wanted->data);
      }
    }
    EXPECT_FALSE(b.next());
  }
}

TEST(EncodePng, KeepsTextsThatLatin1CannotHold) {
  const std::vector<TextEntry> texts{{"a", "grüß"}, {"b", "日本"}, {"ü", ""}};
  const std::string file = encode_png(noise(Mode::grey), {.compression = 1, .texts = texts});
  EXPECT_EQ(read_metadata(file), texts);
  EXPECT_NE(file.find("iTXtb"), std::string::npos);
  EXPECT_THROW(encode_png(noise(Mode::grey), {.compression = 1, .texts = {{"", "x"}}}), Error);
  EXPECT_THROW(encode_png(noise(Mode::grey), {.compression = 1, .texts = {{"日", "x"}}}), Error);
}

TEST(EncodeJpeg, StaysCloseAtHighQuality) {
  for (const Mode mode : {Mode::grey, Mode::rgb, Mode::rgba}) {
    const Picture picture = gradient(mode, 64, 48);
    const Picture again = decode(encode_jpeg(picture, 95)).frames.at(0);
    EXPECT_EQ(again.mode, mode == Mode::grey ? Mode::grey : Mode::rgb);
    const Picture wanted = mode == Mode::grey ? picture : to_rgb(picture);
    int worst = 0;
    for (std::size_t i = 0; i < wanted.pixels.size(); ++i)
      worst = std::max(worst, std::abs(wanted.pixels[i] - again.pixels[i]));
    EXPECT_LE(worst, 12) << mode_name(mode);
  }
}

TEST(EncodeJpeg, IsSmallerAtLowQuality) {
  const Picture picture = noise(Mode::rgb, 64, 64);
  EXPECT_LT(encode_jpeg(picture, 10).size(), encode_jpeg(picture, 90).size());
}

TEST(EncodeWebp, KeepsAlphaWhereThereIsSome) {
  EXPECT_EQ(decode(encode_webp(gradient(Mode::rgba, 40, 30), 90)).frames.at(0).mode, Mode::rgba);
  EXPECT_EQ(decode(encode_webp(gradient(Mode::rgb, 40, 30), 90)).frames.at(0).mode, Mode::rgb);
  EXPECT_EQ(decode(encode_webp(noise(Mode::palette), 90)).frames.at(0).mode, Mode::rgba);
}

TEST(EncodeWebp, RefusesWhatTheFormatCannotHold) {
  EXPECT_THROW(encode_webp(Picture::make(Mode::grey, 16'384, 1), 90), Error);
  EXPECT_THROW(encode_jpeg(Picture::make(Mode::grey, 65'501, 1), 90), Error);
}

TEST(ReadMetadata, FindsWhatComfyUIWroteIntoItsFiles) {
  const auto folder = recorded_data() / "reference/files";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no recorded data at " << folder;
  for (const char* name :
       {"0.3.64_save_basic_00001_.png", "0.3.64_anim_00001_.webp", "0.3.64_anim_00002_.png"}) {
    bool has_prompt = false;
    bool has_workflow = false;
    for (const TextEntry& entry : read_metadata(read_file(folder / name))) {
      EXPECT_TRUE(parse_json(entry.text).is_object()) << name;
      has_prompt = has_prompt || entry.key == "prompt";
      has_workflow = has_workflow || entry.key == "workflow";
    }
    EXPECT_TRUE(has_prompt && has_workflow) << name;
  }
  EXPECT_TRUE(read_metadata("no picture").empty());
}

TEST(ResizeBilinear, KeepsAFlatColourAndTheMeanOfAHalving) {
  Picture flat = Picture::make(Mode::rgb, 7, 5);
  std::ranges::fill(flat.pixels, std::uint8_t{77});
  for (const auto& [width, height] : {std::pair{3, 2}, {14, 10}, {7, 1}, {1, 1}})
    for (const std::uint8_t value : resize_bilinear(flat, width, height).pixels)
      EXPECT_EQ(value, 77);
  Picture two = Picture::make(Mode::grey, 2, 1);
  two.pixels = {0, 255};
  EXPECT_EQ(resize_bilinear(two, 1, 1).pixels, std::vector<std::uint8_t>{128});
  EXPECT_EQ(resize_bilinear(two, 4, 1).pixels, (std::vector<std::uint8_t>{0, 64, 191, 255}));
}

TEST(ResizeBilinear, AgreesWithPillow) {
  const Json cases = parse_json(read_file("tests/media/scaled.json"));
  ASSERT_EQ(cases.as_array().size(), 7U);
  for (const Json& one : cases.as_array()) {
    const std::string name = one.at("name").as_string();
    const Picture source = decode(read_file("tests/media/pictures/" + name)).frames.at(0);
    const Json::Array& size = one.at("size").as_array();
    const Picture scaled = resize_bilinear(source, static_cast<int>(size[0].as_int()),
                                           static_cast<int>(size[1].as_int()));
    const std::string& wanted = one.at("pixels").as_string();
    ASSERT_EQ(scaled.pixels.size() * 2, wanted.size()) << name;
    const int tolerance = name.ends_with(".jpg") ? 1 : 0;
    for (std::size_t i = 0; i < scaled.pixels.size(); ++i)
      EXPECT_NEAR(std::stoi(wanted.substr(i * 2, 2), nullptr, 16), scaled.pixels[i], tolerance)
          << name << " at byte " << i;
  }
}

TEST(ResizeBilinear, RefusesWhatItCannotScale) {
  EXPECT_THROW(resize_bilinear(noise(Mode::rgb), 0, 4), Error);
  EXPECT_THROW(resize_bilinear(noise(Mode::palette), 4, 4), Error);
}

TEST(FitIntoSquare, KeepsTheShapeAndGrowsSmallPictures) {
  const Picture wide = fit_into_square(Picture::make(Mode::rgb, 100, 50), 64);
  EXPECT_EQ(wide.width, 64);
  EXPECT_EQ(wide.height, 32);
  const Picture tall = fit_into_square(Picture::make(Mode::rgb, 3, 9), 512);
  EXPECT_EQ(tall.width, 171);
  EXPECT_EQ(tall.height, 512);
}

TEST(ToGrey, WeighsColoursAsItu601Does) {
  Picture picture = Picture::make(Mode::rgb, 3, 1);
  picture.pixels = {255, 0, 0, 0, 255, 0, 0, 0, 255};
  EXPECT_EQ(to_grey(picture).pixels, (std::vector<std::uint8_t>{76, 150, 29}));
}

std::vector<Picture> moving(int frames) {
  std::vector<Picture> pictures(static_cast<std::size_t>(frames), gradient(Mode::rgb, 16, 12));
  for (int i = 0; i < frames; ++i) pictures[static_cast<std::size_t>(i)].row(i)[0] = 255;
  return pictures;
}

/// The compressed pixels of a still picture.
std::string packed_pixels(const Picture& picture) {
  const std::string file = encode_png(picture);
  std::string pixels;
  PngChunks chunks{file};
  while (const auto chunk = chunks.next())
    if (chunk->type == "IDAT") pixels += chunk->data;
  return pixels;
}

TEST(EncodeApng, HoldsEveryFrameAndTheTextsBehindThem) {
  const std::vector<Picture> frames = moving(3);
  const std::string file = encode_apng(frames, {.milliseconds = 166, .texts = {{"prompt", "{}"}}});
  EXPECT_EQ(decode(file).frames.at(0).pixels, frames[0].pixels);
  std::string types;
  std::size_t frame = 1;
  PngChunks chunks{file};
  while (const auto chunk = chunks.next()) {
    types += std::string{chunk->type} + " ";
    if (chunk->type == "fdAT") {
      EXPECT_EQ(chunk->data.substr(4), packed_pixels(frames[frame++]));
    }
  }
  EXPECT_EQ(types, "IHDR acTL fcTL IDAT fcTL fdAT fcTL fdAT comf IEND ");
  EXPECT_EQ(read_metadata(file), (std::vector<TextEntry>{{"prompt", "{}"}}));
}

TEST(EncodeApng, IsAPlainPngOfASingleFrame) {
  const std::vector<Picture> frames = moving(1);
  const std::string file = encode_apng(frames);
  EXPECT_EQ(file.find("acTL"), std::string::npos);
  EXPECT_EQ(decode(file).frames.at(0).pixels, frames[0].pixels);
}

TEST(EncodeApng, RefusesNoneAndFramesThatDiffer) {
  EXPECT_THROW(encode_apng({}), Error);
  EXPECT_THROW(encode_apng(std::vector{noise(Mode::rgb, 4, 4), noise(Mode::rgb, 5, 4)}), Error);
}

TEST(EncodeWebpAnimation, ReturnsEveryFrameOfALosslessOne) {
  const std::vector<Picture> frames = moving(3);
  const std::string file = encode_webp_animation(frames, {.milliseconds = 166});
  const PictureFile again = decode(file);
  ASSERT_EQ(again.frames.size(), 3U);
  for (std::size_t i = 0; i < frames.size(); ++i)
    EXPECT_EQ(to_rgb(again.frames[i]).pixels, frames[i].pixels) << i;
}

TEST(EncodeWebpAnimation, KeepsTheWorkflowAsTheCamerasModelAndMaker) {
  const std::vector<TextEntry> texts{{"prompt", R"({"1": {}})"}, {"workflow", "{}"}};
  const std::string file = encode_webp_animation(moving(2), {.texts = texts});
  EXPECT_EQ(read_metadata(file), (std::vector{texts[1], texts[0]}));  // in order of their tags
  EXPECT_THROW(encode_webp_animation({}), Error);
}

TEST(ExifBlock, IsReadBackAsItWasWritten) {
  const std::vector<ExifText> texts{{0x010F, "ab"}, {0x0110, "odd"}, {0x0111, "a longer one"}};
  const std::vector<ExifText> again = exif_texts(exif_block(texts));
  ASSERT_EQ(again.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(again[i].tag, texts[i].tag);
    EXPECT_EQ(again[i].text, texts[i].text);
  }
}

}  // namespace
}  // namespace comfy::media
