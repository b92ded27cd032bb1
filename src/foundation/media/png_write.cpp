// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "foundation/media/encode.h"

#include <fmt/format.h>
#include <png.h>

#include <bit>
#include <csetjmp>
#include <cstring>
#include <optional>
#include <string_view>

namespace comfy::media {
namespace {

struct Writer {
  std::string file;
  char problem[96] = {};
  png_structp png = nullptr;
  png_infop info = nullptr;

  ~Writer() { png_destroy_write_struct(&png, &info); }
};

void write_bytes(png_structp png, png_bytep bytes, std::size_t count) {
  static_cast<Writer*>(png_get_io_ptr(png))
      ->file.append(reinterpret_cast<const char*>(bytes), count);
}

[[noreturn]] void fail(png_structp png, png_const_charp message) {
  auto& writer = *static_cast<Writer*>(png_get_error_ptr(png));
  std::strncpy(writer.problem, message, sizeof writer.problem - 1);
  png_longjmp(png, 1);
}

void ignore_warning(png_structp, png_const_charp) {}

struct Layout {
  int colour_type;
  int depth;
};

std::optional<Layout> layout_of(Mode mode) {
  switch (mode) {
    case Mode::bilevel:
      return Layout{PNG_COLOR_TYPE_GRAY, 1};
    case Mode::grey:
      return Layout{PNG_COLOR_TYPE_GRAY, 8};
    case Mode::grey16:
      return Layout{PNG_COLOR_TYPE_GRAY, 16};
    case Mode::grey_alpha:
      return Layout{PNG_COLOR_TYPE_GRAY_ALPHA, 8};
    case Mode::palette:
      return Layout{PNG_COLOR_TYPE_PALETTE, 8};
    case Mode::rgb:
      return Layout{PNG_COLOR_TYPE_RGB, 8};
    case Mode::rgba:
      return Layout{PNG_COLOR_TYPE_RGB_ALPHA, 8};
    default:
      return {};
  }
}

/// UTF-8 as Latin-1; nothing when a character has no place there.
std::optional<std::string> latin1(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    if (utf8_length(text) == 0) return {};
    const char32_t code = take_code_point(text);
    if (code > 0xFF || code == 0) return {};
    result += static_cast<char>(code);
  }
  return result;
}

struct PackedText {
  const char* type;  ///< "tEXt" or "iTXt"
  std::string data;
};

PackedText pack(const TextEntry& entry) {
  const auto key = latin1(entry.key);
  if (!key || key->empty() || key->size() > 79)
    throw Error(Error::Kind::invalid_input,
                fmt::format("name of a text in a PNG must have 1 to 79 Latin-1 characters, got {} "
                            "bytes",
                            entry.key.size()));
  const std::string nul(1, '\0');
  if (const auto text = latin1(entry.text)) return {"tEXt", *key + nul + *text};
  // no compression, method 0, no language, no translated name
  return {"iTXt", *key + nul + nul + nul + nul + nul + entry.text};
}

void put_header(Writer& writer, const Picture& picture, Layout layout, int compression) {
  png_set_write_fn(writer.png, &writer, write_bytes, nullptr);
  png_set_compression_level(writer.png, compression);
  png_set_compression_buffer_size(writer.png, 65536);
  png_set_IHDR(writer.png, writer.info, static_cast<png_uint_32>(picture.width),
               static_cast<png_uint_32>(picture.height), layout.depth, layout.colour_type,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
}

void put_palette(Writer& writer, const Palette& palette) {
  png_color colours[256];
  png_byte alphas[256];
  for (std::size_t i = 0; i < 256; ++i) {
    const std::uint8_t* entry = &palette.rgba[i * 4];
    colours[i] = {entry[0], entry[1], entry[2]};
    alphas[i] = entry[3];
  }
  png_set_PLTE(writer.png, writer.info, colours, 256);
  if (palette.transparent) png_set_tRNS(writer.png, writer.info, alphas, 256, nullptr);
}

/// Everything that may jump; the caller owns what has a destructor.
bool write_all(Writer& writer, const Picture& picture, Layout layout, int compression,
               std::vector<PackedText>& texts) {
  if (setjmp(png_jmpbuf(writer.png)) != 0) return false;
  put_header(writer, picture, layout, compression);
  if (layout.colour_type == PNG_COLOR_TYPE_PALETTE && picture.palette)
    put_palette(writer, *picture.palette);
  png_write_info(writer.png, writer.info);
  for (PackedText& text : texts) {
    png_write_chunk(writer.png, reinterpret_cast<png_const_bytep>(text.type),
                    reinterpret_cast<png_const_bytep>(text.data.data()), text.data.size());
  }
  if (layout.depth == 1) png_set_packing(writer.png);
  if (layout.depth == 16 && std::endian::native == std::endian::little) png_set_swap(writer.png);
  for (int y = 0; y < picture.height; ++y) png_write_row(writer.png, picture.row(y));
  png_write_end(writer.png, nullptr);
  return true;
}

}  // namespace

std::string encode_png(const Picture& picture, const PngOptions& options) {
  const auto layout = layout_of(picture.mode);
  if (!layout)
    throw Error(Error::Kind::unsupported,
                fmt::format("a {} picture cannot be written as PNG", mode_name(picture.mode)));
  std::vector<PackedText> texts;
  texts.reserve(options.texts.size());
  for (const TextEntry& entry : options.texts) texts.push_back(pack(entry));
  Picture bits;
  const bool is_bilevel = picture.mode == Mode::bilevel;
  if (is_bilevel) {
    bits = picture;
    for (std::uint8_t& pixel : bits.pixels) pixel = pixel != 0 ? 1 : 0;
  }
  Writer writer;
  writer.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &writer, fail, ignore_warning);
  if (writer.png != nullptr) writer.info = png_create_info_struct(writer.png);
  if (writer.info == nullptr)
    throw Error(Error::Kind::out_of_memory, "no memory for the PNG writer");
  if (!write_all(writer, is_bilevel ? bits : picture, *layout, options.compression, texts))
    throw Error(Error::Kind::invalid_input,
                fmt::format("a {} x {} picture cannot be written as PNG: {}", picture.width,
                            picture.height, writer.problem));
  return std::move(writer.file);
}

}  // namespace comfy::media
