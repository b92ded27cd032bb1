// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>

namespace comfy::media {

/// The lowest `bytes` bytes of a number, the highest first.
inline std::string big_endian(std::uint32_t value, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    text.push_back(static_cast<char>(value >> shift & 0xFF));
  return text;
}

}  // namespace comfy::media
