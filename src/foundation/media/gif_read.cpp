// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/budget.h"

#include <gif_lib.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

namespace comfy::media {
namespace {

struct CloseGif {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};

int read_bytes(GifFileType* gif, GifByteType* to, int count) {
  auto& rest = *static_cast<std::string_view*>(gif->UserData);
  const std::size_t size = std::min(rest.size(), static_cast<std::size_t>(count));
  std::memcpy(to, rest.data(), size);
  rest.remove_prefix(size);
  return static_cast<int>(size);
}

struct Box {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
};

/// One frame as the file stores it.
struct RawFrame {
  Box box;
  std::vector<std::uint8_t> indices;  ///< of the box, row by row
  std::optional<Palette> palette;     ///< nothing when every index is its own grey
  std::optional<std::uint8_t> clear;  ///< the index that leaves what is below
  int disposal = 0;
};

/// The colours, or nothing when entry n is the grey n for all of them.
std::optional<Palette> palette_of(const ColorMapObject* map) {
  if (map == nullptr) return {};
  Palette palette;
  bool is_grey_ramp = true;
  for (std::size_t i = 0; i < 256; ++i) {
    std::uint8_t* entry = &palette.rgba[i * 4];
    entry[3] = 255;
    if (static_cast<int>(i) >= map->ColorCount) continue;
    const GifColorType& colour = map->Colors[i];
    entry[0] = colour.Red;
    entry[1] = colour.Green;
    entry[2] = colour.Blue;
    is_grey_ramp = is_grey_ramp && entry[0] == i && entry[1] == i && entry[2] == i;
  }
  if (is_grey_ramp) return {};
  return palette;
}

/// Composes frames as Pillow does: the first keeps its palette, the others become RGB or RGBA.
class Canvas {
 public:
  Canvas(int width, int height, std::uint8_t background, Budget& budget)
      : width_{width}, height_{height}, background_{background}, budget_{budget} {}

  /// Draws the frame; the picture is what the viewer then sees.
  Picture draw(const RawFrame& frame);

 private:
  struct Patch {
    Box box;
    std::vector<std::uint8_t> pixels;
  };

  void draw_first(const RawFrame& frame);
  void draw_over(const RawFrame& frame);
  void leave_palette();
  void grow_to(const Box& box);
  std::vector<std::uint8_t> colour(const RawFrame& frame, std::uint8_t index,
                                   bool see_through) const;
  std::optional<Patch> plan_disposal(const RawFrame& frame) const;
  void put(const Patch& patch);
  std::vector<std::uint8_t> crop(const Box& box) const;

  int width_;
  int height_;
  std::uint8_t background_;
  Budget& budget_;
  Picture now_;
  bool is_first_ = true;
  int disposal_ = 0;  ///< of the last frame that named one
  std::optional<Patch> dispose_;
};

void Canvas::grow_to(const Box& box) {
  const int width = std::max(width_, box.left + box.width);
  const int height = std::max(height_, box.top + box.height);
  if (width == width_ && height == height_) return;
  if (!is_first_) {
    Picture bigger = budget_.make(now_.mode, static_cast<std::uint64_t>(width),
                                  static_cast<std::uint64_t>(height));
    bigger.palette = now_.palette;
    bigger.transparent_colour = now_.transparent_colour;
    for (int y = 0; y < height_; ++y) std::memcpy(bigger.row(y), now_.row(y), now_.row_bytes());
    now_ = std::move(bigger);
  }
  width_ = width;
  height_ = height;
}

void Canvas::draw_first(const RawFrame& frame) {
  now_ = budget_.make(frame.palette ? Mode::palette : Mode::grey,
                      static_cast<std::uint64_t>(width_), static_cast<std::uint64_t>(height_));
  now_.palette = frame.palette;
  if (frame.clear) {
    std::ranges::fill(now_.pixels, *frame.clear);
    if (now_.palette) {
      now_.palette->transparent = true;
      now_.palette->rgba[std::size_t{*frame.clear} * 4 + 3] = 0;
    } else {
      now_.transparent_colour = {*frame.clear, *frame.clear, *frame.clear};
    }
  }
  put({frame.box, frame.indices});
}

void Canvas::leave_palette() {
  const Palette palette = now_.palette.value_or(Palette{});
  Picture wide = Picture::make(palette.transparent ? Mode::rgba : Mode::rgb, width_, height_);
  const std::size_t bytes = pixel_bytes(wide.mode);
  std::uint8_t* to = wide.pixels.data();
  for (const std::uint8_t index : now_.pixels) {
    std::memcpy(to, &palette.rgba[std::size_t{index} * 4], bytes);
    to += bytes;
  }
  now_ = std::move(wide);
}

void Canvas::draw_over(const RawFrame& frame) {
  const std::size_t bytes = pixel_bytes(now_.mode);
  const std::uint8_t* from = frame.indices.data();
  for (int y = 0; y < frame.box.height; ++y) {
    std::uint8_t* to =
        now_.row(frame.box.top + y) + static_cast<std::size_t>(frame.box.left) * bytes;
    for (int x = 0; x < frame.box.width; ++x, ++from, to += bytes) {
      if (frame.clear && *from == *frame.clear) continue;
      if (now_.mode == Mode::grey) {
        *to = *from;
        continue;
      }
      const std::array<std::uint8_t, 4> grey{*from, *from, *from, 255};
      const std::uint8_t* colour =
          frame.palette ? &frame.palette->rgba[std::size_t{*from} * 4] : grey.data();
      std::memcpy(to, colour, bytes);
    }
  }
}

std::vector<std::uint8_t> Canvas::colour(const RawFrame& frame, std::uint8_t index,
                                         bool see_through) const {
  if (now_.mode == Mode::palette || now_.mode == Mode::grey) return {index};
  std::vector<std::uint8_t> pixel(4, index);
  if (frame.palette) std::memcpy(pixel.data(), &frame.palette->rgba[std::size_t{index} * 4], 3);
  pixel[3] = see_through ? 0 : 255;
  pixel.resize(pixel_bytes(now_.mode));
  return pixel;
}

std::vector<std::uint8_t> Canvas::crop(const Box& box) const {
  const std::size_t bytes = pixel_bytes(now_.mode);
  const std::size_t row = static_cast<std::size_t>(box.width) * bytes;
  std::vector<std::uint8_t> pixels(row * static_cast<std::size_t>(box.height));
  for (int y = 0; y < box.height; ++y)
    std::memcpy(pixels.data() + static_cast<std::size_t>(y) * row,
                now_.row(box.top + y) + static_cast<std::size_t>(box.left) * bytes, row);
  return pixels;
}

/// What covers the frame's box before the next frame is drawn.
std::optional<Canvas::Patch> Canvas::plan_disposal(const RawFrame& frame) const {
  if (disposal_ < 2) return {};
  const bool back_to_before = disposal_ != 2;
  if (back_to_before && !is_first_) return Patch{frame.box, crop(frame.box)};
  if (back_to_before && !frame.clear) return {};
  const std::vector<std::uint8_t> pixel =
      colour(frame, frame.clear.value_or(background_), frame.clear.has_value());
  Patch patch{frame.box, {}};
  const std::size_t count =
      static_cast<std::size_t>(frame.box.width) * static_cast<std::size_t>(frame.box.height);
  patch.pixels.reserve(count * pixel.size());
  for (std::size_t i = 0; i < count; ++i)
    patch.pixels.insert(patch.pixels.end(), pixel.begin(), pixel.end());
  return patch;
}

void Canvas::put(const Patch& patch) {
  const std::size_t bytes = pixel_bytes(now_.mode);
  const std::size_t row = static_cast<std::size_t>(patch.box.width) * bytes;
  for (int y = 0; y < patch.box.height; ++y)
    std::memcpy(now_.row(patch.box.top + y) + static_cast<std::size_t>(patch.box.left) * bytes,
                patch.pixels.data() + static_cast<std::size_t>(y) * row, row);
}

Picture Canvas::draw(const RawFrame& frame) {
  if (frame.disposal != 0) disposal_ = frame.disposal;
  if (dispose_) put(*dispose_);
  grow_to(frame.box);
  if (is_first_) {
    now_.mode = frame.palette ? Mode::palette : Mode::grey;
    dispose_ = plan_disposal(frame);
    draw_first(frame);
    is_first_ = false;
    return now_;
  }
  if (now_.mode == Mode::grey && frame.palette) {
    now_.palette.emplace();
    for (std::size_t i = 0; i < 256; ++i) {
      for (std::size_t c = 0; c < 3; ++c)
        now_.palette->rgba[i * 4 + c] = static_cast<std::uint8_t>(i);
      now_.palette->rgba[i * 4 + 3] = 255;
    }
    leave_palette();
  }
  if (now_.mode == Mode::palette) leave_palette();
  dispose_ = plan_disposal(frame);
  draw_over(frame);
  budget_.frame(static_cast<std::uint64_t>(width_), static_cast<std::uint64_t>(height_),
                pixel_bytes(now_.mode));
  return now_;
}

/// Reads records up to the next image; false at the end of the file.
class GifReader {
 public:
  GifReader(std::string_view file, Budget& budget) : rest_{file}, budget_{budget} {
    int error = 0;
    gif_.reset(DGifOpen(&rest_, read_bytes, &error));
    if (!gif_) throw budget_.broken("its header cannot be read");
  }

  const GifFileType& screen() const { return *gif_; }
  std::optional<RawFrame> next();

 private:
  void read_extension(RawFrame& frame);
  void read_image(RawFrame& frame);

  std::string_view rest_;
  Budget& budget_;
  std::unique_ptr<GifFileType, CloseGif> gif_;
};

void GifReader::read_extension(RawFrame& frame) {
  int code = 0;
  GifByteType* block = nullptr;
  if (DGifGetExtension(gif_.get(), &code, &block) == GIF_ERROR)
    throw budget_.broken("an extension cannot be read");
  GraphicsControlBlock control{};
  if (code == GRAPHICS_EXT_FUNC_CODE && block != nullptr &&
      DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK) {
    frame.disposal = control.DisposalMode;
    if (control.TransparentColor >= 0)
      frame.clear = static_cast<std::uint8_t>(control.TransparentColor);
  }
  while (block != nullptr) {
    if (DGifGetExtensionNext(gif_.get(), &block) == GIF_ERROR)
      throw budget_.broken("an extension ends too early");
  }
}

void GifReader::read_image(RawFrame& frame) {
  if (DGifGetImageDesc(gif_.get()) == GIF_ERROR)
    throw budget_.broken("the head of a frame cannot be read");
  const GifImageDesc& image = gif_->Image;
  frame.box = {image.Left, image.Top, image.Width, image.Height};
  if (image.Width == 0 || image.Height == 0) throw budget_.broken("a frame has no pixels");
  const auto right =
      static_cast<std::uint64_t>(image.Left) + static_cast<std::uint64_t>(image.Width);
  const auto bottom =
      static_cast<std::uint64_t>(image.Top) + static_cast<std::uint64_t>(image.Height);
  budget_.frame(right, bottom, 1);
  frame.palette = palette_of(image.ColorMap != nullptr ? image.ColorMap : gif_->SColorMap);
  frame.indices.resize(static_cast<std::size_t>(image.Width) *
                       static_cast<std::size_t>(image.Height));
  const auto read_row = [&](int y) {
    GifPixelType* row =
        frame.indices.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(image.Width);
    if (DGifGetLine(gif_.get(), row, image.Width) == GIF_ERROR)
      throw budget_.broken("the pixels of a frame end too early");
  };
  if (!image.Interlace) {
    for (int y = 0; y < image.Height; ++y) read_row(y);
    return;
  }
  constexpr std::pair<int, int> kPasses[] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}};
  for (const auto& [first, step] : kPasses) {
    for (int y = first; y < image.Height; y += step) read_row(y);
  }
}

std::optional<RawFrame> GifReader::next() {
  RawFrame frame;
  while (true) {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    if (rest_.empty() || DGifGetRecordType(gif_.get(), &type) == GIF_ERROR) return {};
    if (type == TERMINATE_RECORD_TYPE) return {};
    if (type == EXTENSION_RECORD_TYPE) read_extension(frame);
    if (type == IMAGE_DESC_RECORD_TYPE) {
      read_image(frame);
      return frame;
    }
  }
}

}  // namespace

PictureFile decode_gif(std::string_view file, Budget& budget, Frames frames) {
  GifReader reader{file, budget};
  const GifFileType& screen = reader.screen();
  // a file without a common palette has no background colour either
  const auto background =
      static_cast<std::uint8_t>(screen.SColorMap != nullptr ? screen.SBackGroundColor : 0);
  Canvas canvas{screen.SWidth, screen.SHeight, background, budget};
  PictureFile result;
  while (const auto frame = reader.next()) {
    result.frames.push_back(canvas.draw(*frame));
    if (frames == Frames::first) break;
  }
  if (result.frames.empty()) throw budget.broken("it has no frames");
  return result;
}

}  // namespace comfy::media
