// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/budget.h"
#include "foundation/media/bytes.h"
#include "foundation/media/exif.h"

#include <jerror.h>
#include <jpeglib.h>

#include <csetjmp>
#include <cstdio>
#include <utility>

namespace comfy::media {
namespace {

constexpr int kMaxScans = 500;  // more make a small progressive file take minutes

struct Reader {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf give_up{};
  char problem[JMSG_LENGTH_MAX] = {};

  ~Reader() { jpeg_destroy_decompress(&jpeg); }
};

Reader& reader_of(j_common_ptr jpeg) { return *static_cast<Reader*>(jpeg->client_data); }

[[noreturn]] void fail(j_common_ptr jpeg) {
  Reader& reader = reader_of(jpeg);
  jpeg->err->format_message(jpeg, reader.problem);
  std::longjmp(reader.give_up, 1);
}

/// Warnings are let pass, as browsers do, save the one about a file that ends too early.
void take_message(j_common_ptr jpeg, int level) {
  if (level < 0 && jpeg->err->msg_code == JWRN_JPEG_EOF) fail(jpeg);
}

void print_nothing(j_common_ptr) {}

void count_scans(j_common_ptr jpeg) {
  if (!jpeg->is_decompressor) return;
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number <= kMaxScans) return;
  Reader& reader = reader_of(jpeg);
  std::snprintf(reader.problem, sizeof reader.problem, "it has more than %d scans", kMaxScans);
  std::longjmp(reader.give_up, 1);
}

bool read_header(Reader& reader, std::string_view file) {
  reader.jpeg.err = jpeg_std_error(&reader.errors);
  reader.errors.error_exit = fail;
  reader.errors.emit_message = take_message;
  reader.errors.output_message = print_nothing;
  reader.jpeg.client_data = &reader;
  if (setjmp(reader.give_up) != 0) return false;
  jpeg_create_decompress(&reader.jpeg);
  reader.progress.progress_monitor = count_scans;
  reader.jpeg.progress = &reader.progress;
  jpeg_mem_src(&reader.jpeg, reinterpret_cast<const unsigned char*>(file.data()), file.size());
  jpeg_read_header(&reader.jpeg, TRUE);
  return true;
}

bool read_pixels(Reader& reader, Picture& picture) {
  if (setjmp(reader.give_up) != 0) return false;
  jpeg_start_decompress(&reader.jpeg);
  while (reader.jpeg.output_scanline < reader.jpeg.output_height) {
    JSAMPROW row = picture.row(static_cast<int>(reader.jpeg.output_scanline));
    jpeg_read_scanlines(&reader.jpeg, &row, 1);
  }
  jpeg_finish_decompress(&reader.jpeg);
  return true;
}

/// The EXIF block of the first APP1 segment that holds one.
std::string_view find_exif(std::string_view file) {
  const Bytes bytes{file, Bytes::Order::big};
  for (std::size_t at = 2;;) {
    const auto marker = bytes.u16(at);
    const auto length = bytes.u16(at + 2);
    if (!marker || !length || *marker < 0xFFC0 || *marker == 0xFFDA || *length < 2) return {};
    const auto segment = bytes.part(at + 4, std::size_t{*length} - 2);
    if (!segment) return {};
    if (*marker == 0xFFE1 && segment->starts_with("Exif")) return *segment;
    at += std::size_t{2} + *length;
  }
}

Mode choose_mode(jpeg_decompress_struct& jpeg) {
  switch (jpeg.num_components) {
    case 1:
      jpeg.out_color_space = JCS_GRAYSCALE;
      return Mode::grey;
    case 4:
      jpeg.out_color_space = JCS_CMYK;
      return Mode::cmyk;
    default:
      jpeg.out_color_space = JCS_RGB;
      return Mode::rgb;
  }
}

}  // namespace

PictureFile decode_jpeg(std::string_view file, Budget& budget) {
  Reader reader;
  if (!read_header(reader, file)) throw budget.broken(reader.problem);
  const int components = reader.jpeg.num_components;
  if (components != 1 && components != 3 && components != 4)
    throw budget.broken("it must have 1, 3 or 4 components");
  const Mode mode = choose_mode(reader.jpeg);
  if (jpeg_has_multiple_scans(&reader.jpeg) != 0) {
    // coefficients of the whole picture are kept until the last scan
    budget.reserve(std::uint64_t{2} * static_cast<std::uint64_t>(components) *
                   reader.jpeg.image_width * reader.jpeg.image_height);
  }
  Picture picture = budget.make(mode, reader.jpeg.image_width, reader.jpeg.image_height);
  if (!read_pixels(reader, picture)) throw budget.broken(reader.problem);
  if (mode == Mode::cmyk) {
    // Adobe's convention, which everybody follows: 0 is full ink
    for (std::uint8_t& ink : picture.pixels) ink = static_cast<std::uint8_t>(255 - ink);
  }
  PictureFile result;
  result.frames.push_back(std::move(picture));
  result.orientation = exif_orientation(find_exif(file));
  return result;
}

}  // namespace comfy::media
