// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/media/convert.h"
#include "foundation/media/encode.h"

#include <fmt/format.h>
#include <jpeglib.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>

namespace comfy::media {
namespace {

struct Writer {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  std::jmp_buf give_up{};
  char problem[JMSG_LENGTH_MAX] = {};
  unsigned char* bytes = nullptr;
  unsigned long size = 0;

  ~Writer() {
    jpeg_destroy_compress(&jpeg);
    std::free(bytes);  // NOLINT(cppcoreguidelines-no-malloc): libjpeg allocated it
  }
};

[[noreturn]] void fail(j_common_ptr jpeg) {
  Writer& writer = *static_cast<Writer*>(jpeg->client_data);
  jpeg->err->format_message(jpeg, writer.problem);
  std::longjmp(writer.give_up, 1);
}

void print_nothing(j_common_ptr) {}

bool write_all(Writer& writer, const Picture& picture, int quality) {
  writer.jpeg.err = jpeg_std_error(&writer.errors);
  writer.errors.error_exit = fail;
  writer.errors.output_message = print_nothing;
  writer.jpeg.client_data = &writer;
  if (setjmp(writer.give_up) != 0) return false;
  jpeg_create_compress(&writer.jpeg);
  jpeg_mem_dest(&writer.jpeg, &writer.bytes, &writer.size);
  writer.jpeg.image_width = static_cast<JDIMENSION>(picture.width);
  writer.jpeg.image_height = static_cast<JDIMENSION>(picture.height);
  const bool is_grey = picture.mode == Mode::grey;
  writer.jpeg.input_components = is_grey ? 1 : 3;
  writer.jpeg.in_color_space = is_grey ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&writer.jpeg);
  jpeg_set_quality(&writer.jpeg, quality, TRUE);
  jpeg_start_compress(&writer.jpeg, TRUE);
  while (writer.jpeg.next_scanline < writer.jpeg.image_height) {
    auto* row = const_cast<JSAMPROW>(picture.row(static_cast<int>(writer.jpeg.next_scanline)));
    jpeg_write_scanlines(&writer.jpeg, &row, 1);
  }
  jpeg_finish_compress(&writer.jpeg);
  return true;
}

}  // namespace

std::string encode_jpeg(const Picture& picture, int quality) {
  const bool fits = picture.mode == Mode::grey || picture.mode == Mode::rgb;
  const Picture converted = fits ? Picture{} : to_rgb(picture);
  Writer writer;
  if (!write_all(writer, fits ? picture : converted, std::clamp(quality, 1, 100)))
    throw Error(Error::Kind::invalid_input,
                fmt::format("a {} x {} picture cannot be written as JPEG: {}", picture.width,
                            picture.height, writer.problem));
  return {reinterpret_cast<const char*>(writer.bytes), writer.size};
}

}  // namespace comfy::media
