// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/exif_write.h"

#include "foundation/media/big_endian.h"

namespace comfy::media {

std::string exif_block(const std::vector<ExifText>& texts) {
  using namespace std::string_literals;
  constexpr std::size_t kEntry = 12, kInline = 4;
  constexpr std::uint32_t kAscii = 2, kFirstDirectory = 8, kNoFurtherDirectory = 0;
  std::string tiff = "MM\0*"s + big_endian(kFirstDirectory, 4);
  tiff += big_endian(static_cast<std::uint32_t>(texts.size()), 2);
  const std::size_t values_at = tiff.size() + texts.size() * kEntry + kInline;
  std::string values;
  for (const ExifText& entry : texts) {
    std::string text = entry.text + "\0"s;
    tiff += big_endian(entry.tag, 2) + big_endian(kAscii, 2);
    tiff += big_endian(static_cast<std::uint32_t>(text.size()), 4);
    if (text.size() <= kInline) {
      text.resize(kInline);
      tiff += text;
      continue;
    }
    tiff += big_endian(static_cast<std::uint32_t>(values_at + values.size()), 4);
    values += text;
    if (values.size() % 2 != 0) values.push_back('\0');  // values begin at even places
  }
  return "Exif\0\0"s + tiff + big_endian(kNoFurtherDirectory, 4) + values;
}

}  // namespace comfy::media
