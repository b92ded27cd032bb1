// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/decode.h"

#include "foundation/media/budget.h"

#include <fmt/format.h>

#include <limits>

namespace comfy::media {

const char* format_name(PictureFormat format) {
  switch (format) {
    case PictureFormat::png:
      return "PNG";
    case PictureFormat::jpeg:
      return "JPEG";
    case PictureFormat::webp:
      return "WebP";
    case PictureFormat::gif:
      return "GIF";
    case PictureFormat::bmp:
      return "BMP";
    case PictureFormat::tiff:
      return "TIFF";
  }
  return "";
}

const char* content_type(PictureFormat format) {
  switch (format) {
    case PictureFormat::png:
      return "image/png";
    case PictureFormat::jpeg:
      return "image/jpeg";
    case PictureFormat::webp:
      return "image/webp";
    case PictureFormat::gif:
      return "image/gif";
    case PictureFormat::bmp:
      return "image/bmp";
    case PictureFormat::tiff:
      return "image/tiff";
  }
  return "";
}

std::optional<PictureFormat> sniff(std::string_view file) {
  using namespace std::string_view_literals;
  if (file.starts_with("\x89PNG\r\n\x1A\n"sv)) return PictureFormat::png;
  if (file.starts_with("\xFF\xD8\xFF"sv)) return PictureFormat::jpeg;
  if (file.starts_with("RIFF"sv) && file.size() >= 12 && file.substr(8, 4) == "WEBP"sv)
    return PictureFormat::webp;
  if (file.starts_with("GIF87a"sv) || file.starts_with("GIF89a"sv)) return PictureFormat::gif;
  if (file.starts_with("BM"sv)) return PictureFormat::bmp;
  for (const auto mark : {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv}) {
    if (file.starts_with(mark)) return PictureFormat::tiff;
  }
  return {};
}

void Budget::frame(std::uint64_t width, std::uint64_t height, std::size_t bytes_per_pixel) {
  frames(1, width, height, bytes_per_pixel);
}

void Budget::frames(std::uint64_t count, std::uint64_t width, std::uint64_t height,
                    std::size_t bytes_per_pixel) {
  const auto too_large = [&](std::string_view what, auto limit, auto found) {
    return Error(Error::Kind::too_large, fmt::format("{} picture must have at most {} {}, got {}",
                                                     format_name(format_), limit, what, found));
  };
  constexpr std::uint64_t kMaxSide = std::numeric_limits<std::int32_t>::max();
  if (width == 0 || height == 0 || count == 0) throw broken("it has no pixels");
  if (width > kMaxSide || height > kMaxSide)
    throw too_large("pixels a side", kMaxSide, width > height ? width : height);
  if (width * height > limits_.max_pixels)
    throw too_large("pixels", limits_.max_pixels, fmt::format("{} x {}", width, height));
  if (count > limits_.max_frames - frames_)
    throw too_large("frames", limits_.max_frames, frames_ + count);
  frames_ += count;
  reserve(count * width * height * bytes_per_pixel);
}

void Budget::reserve(std::uint64_t bytes) {
  bytes_ += bytes;
  if (bytes_ > limits_.max_bytes)
    throw Error(Error::Kind::too_large,
                fmt::format("{} picture must take at most {} bytes to decode, got {}",
                            format_name(format_), limits_.max_bytes, bytes_));
}

Picture Budget::make(Mode mode, std::uint64_t width, std::uint64_t height) {
  frame(width, height, pixel_bytes(mode));
  return Picture::make(mode, static_cast<int>(width), static_cast<int>(height));
}

Error Budget::broken(std::string_view problem) const {
  return Error(Error::Kind::invalid_input,
               fmt::format("{} file is broken: {}", format_name(format_), problem));
}

PictureFile decode(std::string_view file, const DecodeLimits& limits, Frames frames) {
  const auto format = sniff(file);
  if (!format)
    throw Error(
        Error::Kind::invalid_input,
        fmt::format("file must be a PNG, JPEG, WebP, GIF, BMP or TIFF picture, got {} bytes "
                    "of something else",
                    file.size()));
  Budget budget{limits, *format};
  PictureFile picture;
  switch (*format) {
    case PictureFormat::png:
      picture = decode_png(file, budget);
      break;
    case PictureFormat::jpeg:
      picture = decode_jpeg(file, budget);
      break;
    case PictureFormat::webp:
      picture = decode_webp(file, budget, frames);
      break;
    case PictureFormat::gif:
      picture = decode_gif(file, budget, frames);
      break;
    case PictureFormat::bmp:
      picture = decode_bmp(file, budget);
      break;
    case PictureFormat::tiff:
      picture = decode_tiff(file, budget, frames);
      break;
  }
  picture.format = *format;
  return picture;
}

}  // namespace comfy::media
