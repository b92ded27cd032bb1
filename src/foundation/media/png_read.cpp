// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/budget.h"
#include "foundation/media/exif.h"
#include "foundation/media/png_chunks.h"

#include <png.h>

#include <algorithm>
#include <bit>
#include <csetjmp>
#include <cstring>
#include <memory>
#include <utility>

namespace comfy::media {
namespace {

/// What libpng needs while it reads, and what it leaves when it gives up. Its errors jump out of C
/// code, so every function that calls it holds nothing with a destructor.
struct Reader {
  std::string_view rest;
  char problem[96] = {};
  png_structp png = nullptr;
  png_infop info = nullptr;

  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

void read_bytes(png_structp png, png_bytep to, std::size_t count) {
  auto& reader = *static_cast<Reader*>(png_get_io_ptr(png));
  if (count > reader.rest.size()) png_error(png, "it ends too early");
  std::memcpy(to, reader.rest.data(), count);
  reader.rest.remove_prefix(count);
}

[[noreturn]] void fail(png_structp png, png_const_charp message) {
  auto& reader = *static_cast<Reader*>(png_get_error_ptr(png));
  std::strncpy(reader.problem, message, sizeof reader.problem - 1);
  png_longjmp(png, 1);
}

void ignore_warning(png_structp, png_const_charp) {}

bool start(Reader& reader) {
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, fail, ignore_warning);
  if (reader.png == nullptr) return false;
  reader.info = png_create_info_struct(reader.png);
  if (reader.info == nullptr) return false;
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  png_set_read_fn(reader.png, &reader, read_bytes);
  png_set_user_limits(reader.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  // Only these ancillary chunks matter to the pixels; texts and profiles are not even unpacked.
  png_set_keep_unknown_chunks(reader.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  const png_byte transparency[] = "tRNS";
  png_set_keep_unknown_chunks(reader.png, PNG_HANDLE_CHUNK_AS_DEFAULT, transparency, 1);
  png_read_info(reader.png, reader.info);
  return true;
}

bool read_pixels(Reader& reader, Picture& picture) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  if (png_get_bit_depth(reader.png, reader.info) < 8) png_set_packing(reader.png);
  if (png_get_bit_depth(reader.png, reader.info) == 16) {
    if (picture.mode != Mode::grey16) {
      png_set_strip_16(reader.png);
    } else if constexpr (std::endian::native == std::endian::little) {
      png_set_swap(reader.png);
    }
  }
  if (png_get_bit_depth(reader.png, reader.info) == 16 && picture.mode == Mode::rgba &&
      png_get_color_type(reader.png, reader.info) == PNG_COLOR_TYPE_GRAY_ALPHA)
    png_set_gray_to_rgb(reader.png);
  const int passes = png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  if (png_get_rowbytes(reader.png, reader.info) != picture.row_bytes())
    png_error(reader.png, "its rows have an unexpected length");
  for (int pass = 0; pass < passes; ++pass) {
    for (int y = 0; y < picture.height; ++y) png_read_row(reader.png, picture.row(y), nullptr);
  }
  return true;
}

Mode mode_of(int colour_type, int depth) {
  switch (colour_type) {
    case PNG_COLOR_TYPE_GRAY:
      if (depth == 1) return Mode::bilevel;
      return depth == 16 ? Mode::grey16 : Mode::grey;
    case PNG_COLOR_TYPE_PALETTE:
      return Mode::palette;
    case PNG_COLOR_TYPE_GRAY_ALPHA:
      return depth == 16 ? Mode::rgba : Mode::grey_alpha;
    case PNG_COLOR_TYPE_RGB:
      return Mode::rgb;
    default:
      return Mode::rgba;
  }
}

/// Spreads 1, 2 and 4 bits of grey over a whole byte.
void widen_grey(Picture& picture, int depth) {
  const int factor = depth == 1 ? 255 : depth == 2 ? 85 : 17;
  for (std::uint8_t& pixel : picture.pixels) pixel = static_cast<std::uint8_t>(pixel * factor);
}

Palette read_palette(const Reader& reader) {
  Palette palette;
  for (std::size_t i = 3; i < palette.rgba.size(); i += 4) palette.rgba[i] = 255;
  png_colorp colours = nullptr;
  int count = 0;
  png_get_PLTE(reader.png, reader.info, &colours, &count);
  for (int i = 0; i < std::min(count, 256); ++i) {
    std::uint8_t* entry = &palette.rgba[static_cast<std::size_t>(i) * 4];
    entry[0] = colours[i].red;
    entry[1] = colours[i].green;
    entry[2] = colours[i].blue;
  }
  png_bytep alphas = nullptr;
  int alpha_count = 0;
  if (png_get_tRNS(reader.png, reader.info, &alphas, &alpha_count, nullptr) != 0) {
    palette.transparent = true;
    for (int i = 0; i < std::min(alpha_count, 256); ++i)
      palette.rgba[static_cast<std::size_t>(i) * 4 + 3] = alphas[i];
  }
  return palette;
}

void read_transparency(const Reader& reader, Picture& picture) {
  if (picture.mode == Mode::palette) {
    picture.palette = read_palette(reader);
    return;
  }
  png_color_16p colour = nullptr;
  if (picture.has_alpha_channel() ||
      png_get_tRNS(reader.png, reader.info, nullptr, nullptr, &colour) == 0 || colour == nullptr)
    return;
  if (picture.mode == Mode::rgb) {
    picture.transparent_colour = {colour->red, colour->green, colour->blue};
  } else {
    // of a bilevel picture, Pillow takes any number but 0 for white
    const bool is_white = picture.mode == Mode::bilevel && colour->gray != 0;
    const std::uint16_t grey = is_white ? 255 : colour->gray;
    picture.transparent_colour = {grey, grey, grey};
  }
}

/// The orientation, from the first eXIf chunk; Pillow looks no further than the end of the file.
int orientation_of(std::string_view file) {
  PngChunks chunks{file};
  while (const auto chunk = chunks.next()) {
    if (chunk->type == "eXIf") return exif_orientation(chunk->data);
  }
  return 1;
}

/// Looks at the size before libpng does, which calls a picture that is too large broken.
void check_header(std::string_view file, Budget budget) {
  const Bytes bytes{file, Bytes::Order::big};
  const auto width = bytes.u32(16);
  const auto height = bytes.u32(20);
  if (!width || !height) throw budget.broken("it ends too early");
  budget.frame(*width, *height, 1);
}

}  // namespace

PictureFile decode_png(std::string_view file, Budget& budget) {
  check_header(file, budget);
  Reader reader{.rest = file};
  const auto check = [&](bool ok) {
    if (!ok) throw budget.broken(reader.problem[0] != '\0' ? reader.problem : "out of memory");
  };
  check(start(reader));
  const int depth = png_get_bit_depth(reader.png, reader.info);
  const int colour_type = png_get_color_type(reader.png, reader.info);
  Picture picture =
      budget.make(mode_of(colour_type, depth), png_get_image_width(reader.png, reader.info),
                  png_get_image_height(reader.png, reader.info));
  check(read_pixels(reader, picture));
  read_transparency(reader, picture);
  if (colour_type == PNG_COLOR_TYPE_GRAY && depth < 8) widen_grey(picture, depth);
  PictureFile result;
  result.frames.push_back(std::move(picture));
  result.orientation = orientation_of(file);
  return result;
}

}  // namespace comfy::media
