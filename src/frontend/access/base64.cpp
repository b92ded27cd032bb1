// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/access/base64.h"

#include <cstdint>

namespace comfy::access {
namespace {

constexpr std::string_view kLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

std::optional<std::string> decode(std::string_view text, std::string_view last_two) {
  if (text.size() % 4 == 1) return {};
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t held = 0;
  int bits = 0;
  for (const char c : text) {
    auto digit = kLetters.find(c);
    if (digit == kLetters.npos && (c == last_two[0] || c == last_two[1])) {
      digit = c == last_two[0] ? 62 : 63;
    }
    if (digit == kLetters.npos) return {};
    held = held << 6 | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(held >> bits & 0xFF);
  }
  // One text for one value: a signature must not have several spellings.
  if ((held & ((1U << bits) - 1)) != 0) return {};
  return bytes;
}

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return {};
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  return decode(text, "+/");
}

std::optional<std::string> decode_base64url(std::string_view text) { return decode(text, "-_"); }

}  // namespace comfy::access
