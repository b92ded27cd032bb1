// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/exif.h"

#include "foundation/media/bytes.h"

#include <cstring>
#include <optional>
#include <utility>

namespace comfy::media {
namespace {

constexpr std::uint16_t kOrientation = 0x0112;
constexpr std::uint16_t kAscii = 2;
constexpr std::uint16_t kShort = 3;

/// One entry of a TIFF directory: tag, type, count, and where its value or offset stands.
struct Field {
  std::uint16_t tag = 0;
  std::uint16_t type = 0;
  std::uint32_t count = 0;
  std::size_t value_at = 0;
};

/// The block as TIFF, without its "Exif\0\0"; nothing when it is none.
std::optional<Bytes> open_block(std::string_view exif) {
  using namespace std::string_view_literals;
  if (exif.starts_with("Exif\0\0"sv)) exif.remove_prefix(6);
  if (exif.starts_with("II*\0"sv)) return Bytes{exif, Bytes::Order::little};
  if (exif.starts_with("MM\0*"sv)) return Bytes{exif, Bytes::Order::big};
  return {};
}

std::vector<Field> first_directory(const Bytes& block) {
  std::vector<Field> fields;
  const auto start = block.u32(4);
  if (!start) return fields;
  const auto count = block.u16(*start);
  if (!count) return fields;
  for (std::size_t i = 0; i < *count; ++i) {
    const std::size_t at = std::size_t{*start} + 2 + i * 12;
    const auto tag = block.u16(at);
    const auto type = block.u16(at + 2);
    const auto items = block.u32(at + 4);
    if (!tag || !type || !items || !block.part(at + 8, 4)) break;
    fields.push_back({*tag, *type, *items, at + 8});
  }
  return fields;
}

}  // namespace

int exif_orientation(std::string_view exif) {
  const auto block = open_block(exif);
  if (!block) return 1;
  for (const Field& field : first_directory(*block)) {
    if (field.tag != kOrientation || field.type != kShort || field.count != 1) continue;
    const int value = block->u16(field.value_at).value_or(1);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

std::vector<ExifText> exif_texts(std::string_view exif) {
  std::vector<ExifText> texts;
  const auto block = open_block(exif);
  if (!block) return texts;
  for (const Field& field : first_directory(*block)) {
    if (field.type != kAscii) continue;
    const std::size_t at =
        field.count <= 4 ? field.value_at : block->u32(field.value_at).value_or(0);
    const auto text = block->part(at, field.count);
    if (text) texts.push_back({field.tag, std::string{text->substr(0, text->find('\0'))}});
  }
  return texts;
}

Picture upright(Picture picture, int orientation) {
  if (orientation <= 1 || orientation > 8) return picture;
  const bool swaps = orientation >= 5;
  Picture turned;
  turned.mode = picture.mode;
  turned.palette = picture.palette;
  turned.transparent_colour = picture.transparent_colour;
  turned.width = swaps ? picture.height : picture.width;
  turned.height = swaps ? picture.width : picture.height;
  turned.pixels.resize(picture.pixels.size());
  const std::size_t bytes = pixel_bytes(picture.mode);
  // what the source's row and column are for each place of the result
  const bool mirror_x =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirror_y =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  for (int y = 0; y < turned.height; ++y) {
    std::uint8_t* to = turned.row(y);
    for (int x = 0; x < turned.width; ++x, to += bytes) {
      const int across = swaps ? y : x;
      const int down = swaps ? x : y;
      const int from_x = mirror_x ? picture.width - 1 - across : across;
      const int from_y = mirror_y ? picture.height - 1 - down : down;
      std::memcpy(to, picture.row(from_y) + static_cast<std::size_t>(from_x) * bytes, bytes);
    }
  }
  return turned;
}

}  // namespace comfy::media
