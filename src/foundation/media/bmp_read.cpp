// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/budget.h"
#include "foundation/media/bytes.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace comfy::media {
namespace {

enum class Packing : std::uint8_t { raw = 0, rle8 = 1, rle4 = 2, bitfields = 3 };

/// A file's head: the fields of the OS/2 and Windows headers that matter.
struct Head {
  std::size_t size = 0;  ///< of the header itself
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  bool top_down = false;
  int bits = 0;
  Packing packing = Packing::raw;
  std::uint32_t colours = 0;
  std::size_t palette_entry = 4;
  std::size_t pixels_at = 0;
  /// Of red, green, blue and alpha: those of the three and four bytes, where nothing else is said.
  std::array<std::uint32_t, 4> masks{0xFF0000, 0xFF00, 0xFF, 0};
};

class BmpReader {
 public:
  BmpReader(std::string_view file, Budget& budget) : file_{file}, budget_{budget} { read_head(); }

  Picture read();

 private:
  std::uint32_t u32(std::size_t at) const {
    const auto value = file_.u32(at);
    if (!value) throw budget_.broken("its header ends too early");
    return *value;
  }
  std::uint16_t u16(std::size_t at) const {
    const auto value = file_.u16(at);
    if (!value) throw budget_.broken("its header ends too early");
    return *value;
  }
  void read_head();
  void read_windows_head();
  void check_head() const;
  std::size_t palette_at() const { return 14 + head_.size; }
  bool is_grey_palette() const;
  Palette palette() const;
  Picture read_indices();
  void unpack_indices(Picture& picture) const;
  void unpack_runs(Picture& picture) const;
  Picture read_colours() const;
  int file_row(int y) const { return head_.top_down ? y : static_cast<int>(head_.height) - 1 - y; }

  Bytes file_;
  Budget& budget_;
  Head head_;
};

void BmpReader::read_head() {
  head_.pixels_at = u32(10);
  head_.size = u32(14);
  if (head_.size == 12) {
    head_.width = u16(18);
    head_.height = u16(20);
    head_.bits = u16(24);
    head_.palette_entry = 3;
  } else if (head_.size >= 40 && head_.size <= 124) {
    read_windows_head();
  } else {
    throw budget_.broken("its header has an unknown length");
  }
  if (head_.colours == 0 && head_.bits <= 8) head_.colours = 1U << head_.bits;
  check_head();
}

void BmpReader::read_windows_head() {
  head_.width = u32(18);
  const auto height = static_cast<std::int32_t>(u32(22));
  head_.top_down = height < 0;
  head_.height =
      head_.top_down ? 0U - static_cast<std::uint32_t>(height) : static_cast<std::uint32_t>(height);
  head_.bits = u16(28);
  const std::uint32_t packing = u32(30);
  if (packing > 3) throw budget_.broken("its compression is unknown");
  head_.packing = static_cast<Packing>(packing);
  head_.colours = u32(46);
  if (head_.packing == Packing::bitfields) {
    // of a 40-byte header the masks follow; longer ones hold them, with alpha from 56 bytes on
    for (std::size_t i = 0; i < 3; ++i) head_.masks[i] = u32(54 + i * 4);
    if (head_.size >= 56) head_.masks[3] = u32(66);
  } else if (head_.bits == 16) {
    head_.masks = {0x7C00, 0x3E0, 0x1F, 0};
  }
}

void BmpReader::check_head() const {
  constexpr std::array kDepths{1, 4, 8, 16, 24, 32};
  if (std::ranges::find(kDepths, head_.bits) == kDepths.end())
    throw budget_.broken("its pixels must have 1, 4, 8, 16, 24 or 32 bits");
  if (head_.bits <= 8 && head_.colours > 65536) throw budget_.broken("its palette is too long");
  const bool fits = head_.packing == Packing::raw ||
                    (head_.packing == Packing::rle8 && head_.bits == 8) ||
                    (head_.packing == Packing::rle4 && head_.bits == 4) ||
                    (head_.packing == Packing::bitfields && head_.bits >= 16);
  if (!fits) throw budget_.broken("its compression does not fit its pixels");
}

bool BmpReader::is_grey_palette() const {
  for (std::uint32_t i = 0; i < head_.colours; ++i) {
    const auto entry = file_.part(palette_at() + i * head_.palette_entry, 3);
    if (!entry) return false;
    const std::uint32_t grey = head_.colours == 2 ? i * 255 : i;
    for (const char c : *entry) {
      if (static_cast<std::uint8_t>(c) != grey) return false;
    }
  }
  return true;
}

Palette BmpReader::palette() const {
  Palette palette;
  for (std::size_t i = 0; i < 256; ++i) {
    std::uint8_t* to = &palette.rgba[i * 4];
    to[3] = 255;
    const auto entry = file_.part(palette_at() + i * head_.palette_entry, 3);
    if (i >= head_.colours || !entry) continue;
    for (std::size_t c = 0; c < 3; ++c) to[c] = static_cast<std::uint8_t>((*entry)[2 - c]);
  }
  return palette;
}

void BmpReader::unpack_indices(Picture& picture) const {
  const std::size_t stride =
      (std::size_t{head_.width} * static_cast<unsigned>(head_.bits) + 31) / 32 * 4;
  const int mask = (1 << head_.bits) - 1;
  for (int y = 0; y < picture.height; ++y) {
    const auto row =
        file_.part(head_.pixels_at + static_cast<std::size_t>(file_row(y)) * stride, stride);
    if (!row) throw budget_.broken("its pixels end too early");
    std::uint8_t* to = picture.row(y);
    for (std::size_t x = 0; x < head_.width; ++x) {
      const std::size_t bit = x * static_cast<unsigned>(head_.bits);
      const int byte = static_cast<std::uint8_t>((*row)[bit / 8]);
      to[x] =
          static_cast<std::uint8_t>(byte >> (8 - head_.bits - static_cast<int>(bit % 8)) & mask);
    }
  }
}

/// Run-length pixels: pairs of (count, value), and after a zero end of line (0), end (1), a move
/// (2) or that many literal pixels.
void BmpReader::unpack_runs(Picture& picture) const {
  const bool halves = head_.packing == Packing::rle4;
  std::size_t at = head_.pixels_at;
  std::size_t x = 0;
  std::size_t line = 0;  // counted from the bottom
  const auto byte = [&] {
    const auto value = file_.u8(at++);
    if (!value) throw budget_.broken("its pixels end too early");
    return *value;
  };
  const auto put = [&](int value) {
    if (x < head_.width && line < head_.height)
      picture.row(file_row(static_cast<int>(line)))[x] = static_cast<std::uint8_t>(value);
    ++x;
  };
  while (line < head_.height) {
    const int count = byte();
    const int value = byte();
    if (count > 0) {
      for (int i = 0; i < count; ++i) put(!halves ? value : i % 2 == 0 ? value >> 4 : value & 15);
    } else if (value == 0) {
      x = 0;
      ++line;
    } else if (value == 1) {
      return;
    } else if (value == 2) {
      x += byte();
      line += byte();
    } else {
      const std::size_t start = at;
      for (int i = 0; i < value; ++i) {
        const int packed =
            halves && i % 2 == 1 ? static_cast<std::uint8_t>(file_.data()[at - 1]) : byte();
        put(!halves ? packed : i % 2 == 0 ? packed >> 4 : packed & 15);
      }
      at += (at - start) % 2;
    }
  }
}

Picture BmpReader::read_indices() {
  const bool is_grey = is_grey_palette();
  const bool is_bilevel = is_grey && head_.colours <= 2;
  Picture picture = budget_.make(is_bilevel ? Mode::bilevel
                                 : is_grey  ? Mode::grey
                                            : Mode::palette,
                                 head_.width, head_.height);
  if (head_.packing == Packing::raw) {
    unpack_indices(picture);
  } else {
    unpack_runs(picture);
  }
  if (is_bilevel) {
    for (std::uint8_t& pixel : picture.pixels) pixel = pixel != 0 ? 255 : 0;
  }
  if (picture.mode == Mode::palette) picture.palette = palette();
  return picture;
}

/// One channel, spread over 0..255 whatever its width.
std::uint8_t channel(std::uint32_t pixel, std::uint32_t mask) {
  if (mask == 0) return 0;
  const int shift = __builtin_ctz(mask);
  const std::uint64_t top = mask >> shift;
  return static_cast<std::uint8_t>(((pixel & mask) >> shift) * std::uint64_t{255} / top);
}

Picture BmpReader::read_colours() const {
  const bool has_alpha = head_.masks[3] != 0 && head_.bits == 32;
  Picture picture = budget_.make(has_alpha ? Mode::rgba : Mode::rgb, head_.width, head_.height);
  const std::size_t bytes = static_cast<std::size_t>(head_.bits) / 8;
  const std::size_t stride = (std::size_t{head_.width} * bytes + 3) / 4 * 4;
  for (int y = 0; y < picture.height; ++y) {
    const auto row =
        file_.part(head_.pixels_at + static_cast<std::size_t>(file_row(y)) * stride, stride);
    if (!row) throw budget_.broken("its pixels end too early");
    std::uint8_t* to = picture.row(y);
    for (std::size_t x = 0; x < head_.width; ++x) {
      std::uint32_t pixel = 0;
      for (std::size_t i = bytes; i-- > 0;)
        pixel = pixel << 8 | static_cast<std::uint8_t>((*row)[x * bytes + i]);
      for (std::size_t c = 0; c < (has_alpha ? 4U : 3U); ++c)
        *to++ = channel(pixel, head_.masks[c]);
    }
  }
  return picture;
}

Picture BmpReader::read() {
  if (head_.bits > 8) return read_colours();
  if (head_.pixels_at == palette_at()) head_.pixels_at += head_.colours * head_.palette_entry;
  return read_indices();
}

}  // namespace

PictureFile decode_bmp(std::string_view file, Budget& budget) {
  PictureFile result;
  result.frames.push_back(BmpReader{file, budget}.read());
  return result;
}

}  // namespace comfy::media
