// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/picture.h"

namespace comfy::media {

std::size_t pixel_bytes(Mode mode) {
  switch (mode) {
    case Mode::bilevel:
    case Mode::grey:
    case Mode::palette:
      return 1;
    case Mode::grey_alpha:
    case Mode::grey16:
      return 2;
    case Mode::rgb:
      return 3;
    case Mode::rgba:
    case Mode::cmyk:
    case Mode::grey32:
    case Mode::grey_float:
      return 4;
  }
  return 0;
}

const char* mode_name(Mode mode) {
  switch (mode) {
    case Mode::bilevel:
      return "bilevel";
    case Mode::grey:
      return "grey";
    case Mode::grey_alpha:
      return "grey_alpha";
    case Mode::palette:
      return "palette";
    case Mode::rgb:
      return "rgb";
    case Mode::rgba:
      return "rgba";
    case Mode::cmyk:
      return "cmyk";
    case Mode::grey16:
      return "grey16";
    case Mode::grey32:
      return "grey32";
    case Mode::grey_float:
      return "grey_float";
  }
  return "";
}

Picture Picture::make(Mode mode, int width, int height) {
  Picture picture;
  picture.mode = mode;
  picture.width = width;
  picture.height = height;
  picture.pixels.resize(picture.row_bytes() * static_cast<std::size_t>(height));
  return picture;
}

}  // namespace comfy::media
