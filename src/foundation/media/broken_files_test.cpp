// SPDX-License-Identifier: GPL-3.0-or-later
// Files that lie, end too early or were damaged: an error each, never a crash or a full memory.
#include "foundation/base/error.h"
#include "foundation/media/encode.h"
#include "foundation/media/load_image.h"
#include "foundation/media/metadata.h"
#include "foundation/media/recorded.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <zlib.h>

#include <chrono>
#include <random>
#include <string>

namespace comfy::media {
namespace {

using namespace std::string_literals;

/// Small enough that a damaged header cannot make the test slow.
const DecodeLimits kSmall{.max_pixels = 1 << 18, .max_frames = 64, .max_bytes = 16 << 20};

void try_everything(std::string_view file) {
  try {
    load_image(file, kSmall);
  } catch (const Error& error) {
    EXPECT_TRUE(error.kind == Error::Kind::invalid_input || error.kind == Error::Kind::too_large)
        << error.message;
  }
  try {
    read_metadata(file, {.max_text = 1 << 20, .max_total = 1 << 22});
  } catch (const Error& error) {
    EXPECT_TRUE(error.kind == Error::Kind::invalid_input || error.kind == Error::Kind::too_large)
        << error.message;
  }
}

Error error_of(std::string_view file, const DecodeLimits& limits = {}) {
  try {
    decode(file, limits);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "it was decoded";
  return Error(Error::Kind::internal, "");
}

std::string big_endian(std::uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift);
  return text;
}

std::string chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto sum =
      crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + body +
         big_endian(static_cast<std::uint32_t>(sum));
}

std::string png(std::uint32_t width, std::uint32_t height, char depth, char colour,
                const std::string& rest) {
  return "\x89PNG\r\n\x1A\n"s +
         chunk("IHDR", big_endian(width) + big_endian(height) + depth + colour + "\0\0\0"s) + rest;
}

std::string packed(const std::string& text) {
  uLongf size = compressBound(text.size());
  std::string result(size, '\0');
  compress(reinterpret_cast<Bytef*>(result.data()), &size,
           reinterpret_cast<const Bytef*>(text.data()), text.size());
  result.resize(size);
  return result;
}

std::vector<std::filesystem::path> samples() {
  auto files = files_in("tests/media/pictures");
  EXPECT_GE(files.size(), 120U);
  return files;
}

TEST(BrokenFiles, CutAnywhereGiveAnErrorOrAPicture) {
  for (const auto& path : samples()) {
    SCOPED_TRACE(path.filename().string());
    const std::string file = read_file(path);
    const std::size_t step = std::max<std::size_t>(1, file.size() / 97);
    for (std::size_t length = 0; length < file.size(); length += step)
      try_everything(std::string_view{file}.substr(0, length));
  }
}

TEST(BrokenFiles, FlippedBytesGiveAnErrorOrAPicture) {
  std::mt19937 dice{11};
  for (const auto& path : samples()) {
    SCOPED_TRACE(path.filename().string());
    const std::string file = read_file(path);
    for (int round = 0; round < 60; ++round) {
      std::string damaged = file;
      // heads first: that is where the sizes are
      const std::size_t reach =
          round % 2 == 0 ? std::min<std::size_t>(file.size(), 64) : file.size();
      for (int i = 0; i <= round % 4; ++i) damaged[dice() % reach] = static_cast<char>(dice());
      try_everything(damaged);
    }
  }
}

TEST(BrokenFiles, WhatIsNoPictureIsToldSo) {
  EXPECT_EQ(
      error_of("hello").message,
      "file must be a PNG, JPEG, WebP, GIF, BMP or TIFF picture, got 5 bytes of something else");
  EXPECT_EQ(error_of("").kind, Error::Kind::invalid_input);
}

TEST(BrokenFiles, APngThatClaimsFourGigabytesIsRefusedAtOnce) {
  const auto start = std::chrono::steady_clock::now();
  const Error error = error_of(png(40'000, 40'000, 8, 6, chunk("IDAT", packed("x"))));
  EXPECT_EQ(error.kind, Error::Kind::too_large);
  EXPECT_EQ(error.message, "PNG picture must have at most 178956970 pixels, got 40000 x 40000");
  EXPECT_EQ(error_of(png(0x7FFFFFFF, 0x7FFFFFFF, 16, 6, "")).kind, Error::Kind::too_large);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{1});
}

TEST(BrokenFiles, ABilevelPngMayNotGrowBeyondItsPixels) {
  EXPECT_EQ(error_of(png(50'000, 50'000, 1, 0, chunk("IDAT", packed("x")))).message,
            "PNG picture must have at most 178956970 pixels, got 50000 x 50000");
}

TEST(BrokenFiles, TheBytesOfAllFramesCountTogether) {
  const std::string file = read_file("tests/media/pictures/frames.webp");
  const Error error = error_of(file, {.max_bytes = 1500});
  EXPECT_EQ(error.kind, Error::Kind::too_large);
  EXPECT_TRUE(
      error.message.starts_with("WebP picture must take at most 1500 bytes to decode, got "));
  EXPECT_EQ(error_of(file, {.max_frames = 2}).message,
            "WebP picture must have at most 2 frames, got 3");
}

TEST(BrokenFiles, AnEmptyPictureIsRefused) {
  EXPECT_EQ(error_of(png(0, 5, 8, 2, "")).kind, Error::Kind::invalid_input);
}

TEST(BrokenFiles, APngWithoutItsPixelsSaysThatItEndsTooEarly) {
  EXPECT_EQ(error_of(png(4, 4, 8, 2, "")).message, "PNG file is broken: it ends too early");
}

TEST(BrokenFiles, TextsThatUnpackToMuchAreRefused) {
  const std::string bomb = packed(std::string(8 << 20, 'a'));
  const auto kind_of = [](const std::string& file, const TextLimits& limits) {
    try {
      read_metadata(file, limits);
    } catch (const Error& error) {
      return error.kind;
    }
    return Error::Kind::internal;
  };
  const std::string end = chunk("IEND", "");
  const TextLimits limits{.max_text = 4 << 20, .max_total = 64 << 20};
  EXPECT_EQ(kind_of(png(1, 1, 8, 0, chunk("zTXt", "a\0\0"s + bomb) + end), limits),
            Error::Kind::too_large);
  EXPECT_EQ(kind_of(png(1, 1, 8, 0, chunk("iTXt", "a\0\1\0\0\0"s + bomb) + end), limits),
            Error::Kind::too_large);
  std::string many;
  for (int i = 0; i < 9; ++i) many += chunk("zTXt", "a\0\0"s + bomb);
  EXPECT_EQ(kind_of(png(1, 1, 8, 0, many + end), {}), Error::Kind::too_large);
  EXPECT_EQ(kind_of(png(1, 1, 8, 0, chunk("zTXt", "a\0\0broken"s) + end), {}),
            Error::Kind::invalid_input);
}

TEST(BrokenFiles, DecodingPixelsDoesNotUnpackTexts) {
  const std::string bomb = packed(std::string(8 << 20, 'a'));
  std::string texts;
  for (int i = 0; i < 20; ++i) texts += chunk("zTXt", "a\0\0"s + bomb);
  const std::string pixel = chunk("IDAT", packed("\0\x42"s)) + chunk("IEND", "");
  EXPECT_EQ(decode(png(1, 1, 8, 0, texts + pixel)).frames.at(0).pixels.at(0), 0x42);
}

TEST(BrokenFiles, AProgressiveJpegMayNotHaveEndlessScans) {
  std::string file = read_file("tests/media/pictures/RGB_progressive.jpg");
  const auto last = file.rfind("\xFF\xDA");
  const std::string scan = file.substr(last, file.size() - 2 - last);
  std::string many = file.substr(0, file.size() - 2);
  for (int i = 0; i < 600; ++i) many += scan;
  EXPECT_EQ(error_of(many + "\xFF\xD9").message, "JPEG file is broken: it has more than 500 scans");
}

}  // namespace
}  // namespace comfy::media
