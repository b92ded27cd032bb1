// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace comfy::media {

/// How the pixels of a picture are stored, told apart where the difference shows in the result.
enum class Mode : std::uint8_t {
  bilevel,     ///< one byte, 0 or 255
  grey,        ///< one byte
  grey_alpha,  ///< two bytes
  palette,     ///< one byte, an index into `palette`
  rgb,         ///< three bytes
  rgba,        ///< four bytes, alpha not multiplied in
  cmyk,        ///< four bytes, 255 is full ink
  grey16,      ///< one unsigned 16-bit number of the machine's byte order
  grey32,      ///< one signed 32-bit number
  grey_float   ///< one 32-bit float
};

/// Bytes that one pixel takes.
std::size_t pixel_bytes(Mode mode);
/// For messages: "rgb", "grey16".
const char* mode_name(Mode mode);

/// The colours of a palette picture, four bytes each: red, green, blue, alpha.
struct Palette {
  std::array<std::uint8_t, 1024> rgba{};
  bool transparent = false;  ///< the file says which colours are see-through
};

/// One picture, or one frame of an animation: rows from top to bottom without padding.
struct Picture {
  Mode mode = Mode::rgb;
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;
  std::optional<Palette> palette;  ///< with Mode::palette
  /// The one colour that the file calls transparent, in the units of the mode; grey uses the first.
  std::optional<std::array<std::uint16_t, 3>> transparent_colour;

  /// A black picture.
  static Picture make(Mode mode, int width, int height);

  std::size_t row_bytes() const { return static_cast<std::size_t>(width) * pixel_bytes(mode); }
  std::uint8_t* row(int y) { return pixels.data() + static_cast<std::size_t>(y) * row_bytes(); }
  const std::uint8_t* row(int y) const {
    return pixels.data() + static_cast<std::size_t>(y) * row_bytes();
  }
  bool has_alpha_channel() const { return mode == Mode::grey_alpha || mode == Mode::rgba; }
};

}  // namespace comfy::media
