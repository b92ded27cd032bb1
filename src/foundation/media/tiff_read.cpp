// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/budget.h"
#include "foundation/media/exif.h"

#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

namespace comfy::media {
namespace {

/// The file in memory as libtiff reads it.
struct Source {
  std::string_view file;
  std::uint64_t at = 0;
  char problem[128] = {};
};

Source& source_of(thandle_t handle) { return *static_cast<Source*>(handle); }

tmsize_t read_bytes(thandle_t handle, void* to, tmsize_t count) {
  Source& source = source_of(handle);
  if (source.at >= source.file.size() || count <= 0) return 0;
  const std::size_t size =
      std::min<std::uint64_t>(source.file.size() - source.at, static_cast<std::uint64_t>(count));
  std::memcpy(to, source.file.data() + source.at, size);
  source.at += size;
  return static_cast<tmsize_t>(size);
}

tmsize_t write_nothing(thandle_t, void*, tmsize_t) { return 0; }

toff_t seek(thandle_t handle, toff_t offset, int whence) {
  Source& source = source_of(handle);
  source.at = whence == SEEK_CUR   ? source.at + offset
              : whence == SEEK_END ? source.file.size() + offset
                                   : offset;
  return source.at;
}

int close_nothing(thandle_t) { return 0; }
toff_t size_of(thandle_t handle) { return source_of(handle).file.size(); }

int note_problem(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  Source& source = *static_cast<Source*>(user);
  std::vsnprintf(source.problem, sizeof source.problem, format, arguments);
  return 1;
}

int ignore_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

struct CloseTiff {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};

/// How one page stores its pixels.
struct Layout {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint16_t bits = 1;
  std::uint16_t samples = 1;
  std::uint16_t format = SAMPLEFORMAT_UINT;
  std::uint16_t photometric = PHOTOMETRIC_MINISBLACK;
  std::uint16_t compression = COMPRESSION_NONE;
  std::uint16_t planes = PLANARCONFIG_CONTIG;
  std::uint16_t orientation = 1;
  std::optional<std::uint16_t> extra;  ///< meaning of the first sample beyond the colours
  bool is_tiled = false;
};

class TiffReader {
 public:
  TiffReader(std::string_view file, Budget& budget);

  Picture read_page();
  bool next_page() { return TIFFReadDirectory(tiff_.get()) != 0; }
  int orientation() const { return layout_.orientation; }

 private:
  void read_layout();
  std::optional<Mode> direct_mode() const;
  std::optional<Mode> colour_mode() const;
  Picture read_direct(Mode mode);
  Picture read_any();
  void read_tiles(Picture& picture);
  void read_rows(Picture& picture);
  void unpack(const std::uint8_t* row, std::uint32_t count, std::uint8_t* to, Mode mode) const;
  std::uint8_t sample8(const std::uint8_t* row, std::size_t index) const;
  std::uint8_t grey_sample(const std::uint8_t* row, std::size_t index, Mode mode) const;
  void read_palette(Picture& picture) const;
  [[noreturn]] void fail(const char* otherwise) const {
    throw budget_.broken(source_->problem[0] != '\0' ? source_->problem : otherwise);
  }

  Budget& budget_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<TIFF, CloseTiff> tiff_;
  Layout layout_;
};

TiffReader::TiffReader(std::string_view file, Budget& budget)
    : budget_{budget}, source_{std::make_unique<Source>(Source{.file = file})} {
  TIFFOpenOptions* options = TIFFOpenOptionsAlloc();
  TIFFOpenOptionsSetErrorHandlerExtR(options, note_problem, source_.get());
  TIFFOpenOptionsSetWarningHandlerExtR(options, ignore_warning, nullptr);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, tmsize_t{1} << 31);
  tiff_.reset(TIFFClientOpenExt("picture", "rm", source_.get(), read_bytes, write_nothing, seek,
                                close_nothing, size_of, nullptr, nullptr, options));
  TIFFOpenOptionsFree(options);
  if (!tiff_) fail("its header cannot be read");
}

void TiffReader::read_layout() {
  layout_ = {};
  TIFF* tiff = tiff_.get();
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &layout_.width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &layout_.height);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &layout_.bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &layout_.samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &layout_.format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &layout_.planes);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &layout_.compression);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &layout_.orientation);
  TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &layout_.photometric);
  std::uint16_t count = 0;
  std::uint16_t* kinds = nullptr;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds);
  if (count > 0 && kinds != nullptr) layout_.extra = kinds[0];
  layout_.is_tiled = TIFFIsTiled(tiff) != 0;
  if (layout_.compression == COMPRESSION_JPEG && layout_.photometric == PHOTOMETRIC_YCBCR) {
    TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    layout_.photometric = PHOTOMETRIC_RGB;
  }
}

std::optional<Mode> TiffReader::colour_mode() const {
  const bool bytes = layout_.bits == 8 || layout_.bits == 16;
  if (!bytes || layout_.format != SAMPLEFORMAT_UINT) return {};
  if (layout_.photometric == PHOTOMETRIC_SEPARATED && layout_.samples >= 4) return Mode::cmyk;
  if (layout_.photometric != PHOTOMETRIC_RGB || layout_.samples < 3) return {};
  const bool has_alpha = layout_.samples > 3 && layout_.extra.value_or(EXTRASAMPLE_UNASSALPHA) != 0;
  return has_alpha ? Mode::rgba : Mode::rgb;
}

/// The mode that the samples can be unpacked to by hand; nothing leaves the page to libtiff.
std::optional<Mode> TiffReader::direct_mode() const {
  if (layout_.planes == PLANARCONFIG_SEPARATE && layout_.samples > 1) return {};
  const bool is_grey = layout_.photometric == PHOTOMETRIC_MINISBLACK ||
                       layout_.photometric == PHOTOMETRIC_MINISWHITE;
  if (layout_.photometric == PHOTOMETRIC_PALETTE) {
    const bool fits =
        layout_.samples == 1 && layout_.bits <= 8 && layout_.format == SAMPLEFORMAT_UINT;
    return fits ? std::optional{Mode::palette} : std::nullopt;
  }
  if (!is_grey) return colour_mode();
  if (layout_.samples == 2 && layout_.bits == 8)
    return layout_.extra.value_or(0) == 0 ? Mode::grey : Mode::grey_alpha;
  if (layout_.samples != 1) return {};
  if (layout_.bits == 32)
    return layout_.format == SAMPLEFORMAT_IEEEFP ? Mode::grey_float : Mode::grey32;
  if (layout_.bits == 16 && layout_.format != SAMPLEFORMAT_IEEEFP)
    return layout_.format == SAMPLEFORMAT_INT ? Mode::grey32 : Mode::grey16;
  if (layout_.bits == 1) return Mode::bilevel;
  if (layout_.bits == 2 || layout_.bits == 4 || layout_.bits == 8) return Mode::grey;
  return {};
}

std::uint8_t TiffReader::sample8(const std::uint8_t* row, std::size_t index) const {
  if (layout_.bits == 8) return row[index];
  std::uint16_t wide = 0;
  std::memcpy(&wide, row + index * 2, 2);
  return static_cast<std::uint8_t>(wide >> 8);
}

std::uint8_t TiffReader::grey_sample(const std::uint8_t* row, std::size_t index, Mode mode) const {
  if (layout_.bits == 8) {
    const std::uint8_t value = row[index];
    return layout_.photometric == PHOTOMETRIC_MINISWHITE ? 255 - value : value;
  }
  const std::size_t bit = index * layout_.bits;
  const int mask = (1 << layout_.bits) - 1;
  int value = row[bit / 8] >> (8 - layout_.bits - static_cast<int>(bit % 8)) & mask;
  if (mode == Mode::palette) return static_cast<std::uint8_t>(value);
  if (layout_.photometric == PHOTOMETRIC_MINISWHITE) value = mask - value;
  return static_cast<std::uint8_t>(value * 255 / mask);
}

/// Colour without the alpha that was multiplied into it.
std::uint8_t divide_by_alpha(std::uint8_t value, std::uint8_t alpha) {
  if (alpha == 0) return 0;
  return static_cast<std::uint8_t>(std::min(255, 255 * value / alpha));
}

void TiffReader::unpack(const std::uint8_t* row, std::uint32_t count, std::uint8_t* to,
                        Mode mode) const {
  const std::size_t bytes = pixel_bytes(mode);
  const bool wide_signed = mode == Mode::grey32 && layout_.bits == 16;
  if (mode == Mode::grey16 || mode == Mode::grey_float || (mode == Mode::grey32 && !wide_signed)) {
    std::memcpy(to, row, count * bytes);
    return;
  }
  const bool is_premultiplied = layout_.extra == EXTRASAMPLE_ASSOCALPHA;
  for (std::uint32_t x = 0; x < count; ++x, to += bytes) {
    if (wide_signed) {
      std::int16_t narrow = 0;
      std::memcpy(&narrow, row + std::size_t{x} * 2, 2);
      const std::int32_t value = narrow;
      std::memcpy(to, &value, 4);
    } else if (bytes == 1) {
      *to = grey_sample(row, std::size_t{x} * layout_.samples, mode);
    } else {
      for (std::size_t c = 0; c < bytes; ++c)
        to[c] = sample8(row, std::size_t{x} * layout_.samples + c);
      const bool has_alpha = mode == Mode::rgba || mode == Mode::grey_alpha;
      for (std::size_t c = 0; has_alpha && is_premultiplied && c + 1 < bytes; ++c)
        to[c] = divide_by_alpha(to[c], to[bytes - 1]);
    }
  }
}

void TiffReader::read_rows(Picture& picture) {
  const tmsize_t size = TIFFScanlineSize(tiff_.get());
  const std::uint64_t wanted =
      (std::uint64_t{layout_.width} * layout_.samples * layout_.bits + 7) / 8;
  if (size <= 0 || static_cast<std::uint64_t>(size) < wanted) fail("its rows are too short");
  std::vector<std::uint8_t> row(static_cast<std::size_t>(size));
  for (std::uint32_t y = 0; y < layout_.height; ++y) {
    if (TIFFReadScanline(tiff_.get(), row.data(), y, 0) < 0) fail("its pixels end too early");
    unpack(row.data(), layout_.width, picture.row(static_cast<int>(y)), picture.mode);
  }
}

void TiffReader::read_tiles(Picture& picture) {
  std::uint32_t tile_width = 0;
  std::uint32_t tile_height = 0;
  TIFFGetField(tiff_.get(), TIFFTAG_TILEWIDTH, &tile_width);
  TIFFGetField(tiff_.get(), TIFFTAG_TILELENGTH, &tile_height);
  const tmsize_t size = TIFFTileSize(tiff_.get());
  const tmsize_t stride = TIFFTileRowSize(tiff_.get());
  const std::uint64_t row_bytes =
      (std::uint64_t{tile_width} * layout_.samples * layout_.bits + 7) / 8;
  if (tile_width == 0 || tile_height == 0 || size <= 0 || stride <= 0 ||
      static_cast<std::uint64_t>(stride) < row_bytes ||
      static_cast<std::uint64_t>(size) < static_cast<std::uint64_t>(stride) * tile_height)
    fail("its tiles have no size");
  budget_.reserve(static_cast<std::uint64_t>(size));
  std::vector<std::uint8_t> tile(static_cast<std::size_t>(size));
  const std::size_t bytes = pixel_bytes(picture.mode);
  for (std::uint32_t y = 0; y < layout_.height; y += std::min(tile_height, layout_.height - y)) {
    for (std::uint32_t x = 0; x < layout_.width; x += std::min(tile_width, layout_.width - x)) {
      if (TIFFReadTile(tiff_.get(), tile.data(), x, y, 0, 0) < 0) fail("a tile cannot be read");
      const std::uint32_t rows = std::min(tile_height, layout_.height - y);
      const std::uint32_t columns = std::min(tile_width, layout_.width - x);
      for (std::uint32_t i = 0; i < rows; ++i)
        unpack(tile.data() + std::size_t{i} * static_cast<std::size_t>(stride), columns,
               picture.row(static_cast<int>(y + i)) + std::size_t{x} * bytes, picture.mode);
    }
  }
}

void TiffReader::read_palette(Picture& picture) const {
  std::uint16_t* red = nullptr;
  std::uint16_t* green = nullptr;
  std::uint16_t* blue = nullptr;
  Palette palette;
  if (TIFFGetField(tiff_.get(), TIFFTAG_COLORMAP, &red, &green, &blue) == 0)
    fail("it has no palette");
  for (std::size_t i = 0; i < 256; ++i) {
    std::uint8_t* entry = &palette.rgba[i * 4];
    entry[3] = 255;
    if (i >= std::size_t{1} << layout_.bits) continue;
    entry[0] = static_cast<std::uint8_t>(red[i] >> 8);
    entry[1] = static_cast<std::uint8_t>(green[i] >> 8);
    entry[2] = static_cast<std::uint8_t>(blue[i] >> 8);
  }
  picture.palette = palette;
}

Picture TiffReader::read_direct(Mode mode) {
  Picture picture = budget_.make(mode, layout_.width, layout_.height);
  if (mode == Mode::palette) read_palette(picture);
  if (layout_.is_tiled) {
    read_tiles(picture);
  } else {
    read_rows(picture);
  }
  return picture;
}

/// Rare layouts, by libtiff's own conversion to red, green, blue and alpha.
Picture TiffReader::read_any() {
  char problem[1024] = {};
  TIFFRGBAImage image{};
  if (TIFFRGBAImageBegin(&image, tiff_.get(), 1, problem) == 0) throw budget_.broken(problem);
  const std::unique_ptr<TIFFRGBAImage, decltype(&TIFFRGBAImageEnd)> end{&image, TIFFRGBAImageEnd};
  const bool has_alpha = image.alpha != 0;
  image.req_orientation = ORIENTATION_TOPLEFT;
  layout_.orientation = 1;  // libtiff turns the picture itself
  budget_.reserve(std::uint64_t{4} * layout_.width * layout_.height);
  Picture picture = budget_.make(has_alpha ? Mode::rgba : Mode::rgb, layout_.width, layout_.height);
  std::vector<std::uint32_t> raster(std::size_t{layout_.width} * layout_.height);
  if (TIFFRGBAImageGet(&image, raster.data(), layout_.width, layout_.height) == 0)
    fail("its pixels cannot be read");
  std::uint8_t* to = picture.pixels.data();
  for (const std::uint32_t pixel : raster) {
    const auto alpha = static_cast<std::uint8_t>(TIFFGetA(pixel));
    const std::uint32_t colours[] = {TIFFGetR(pixel), TIFFGetG(pixel), TIFFGetB(pixel)};
    for (const std::uint32_t colour : colours) {
      const auto value = static_cast<std::uint8_t>(colour);
      *to++ = has_alpha ? divide_by_alpha(value, alpha) : value;
    }
    if (has_alpha) *to++ = alpha;
  }
  return picture;
}

Picture TiffReader::read_page() {
  read_layout();
  const auto mode = direct_mode();
  return mode ? read_direct(*mode) : read_any();
}

}  // namespace

PictureFile decode_tiff(std::string_view file, Budget& budget, Frames frames) {
  TiffReader reader{file, budget};
  PictureFile result;
  do {
    Picture page = reader.read_page();
    // each page carries its own
    result.frames.push_back(upright(std::move(page), reader.orientation()));
  } while (frames == Frames::all && reader.next_page());
  return result;
}

}  // namespace comfy::media
