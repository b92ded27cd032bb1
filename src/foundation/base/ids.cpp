// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/ids.h"

#include "foundation/base/hash.h"

#include <array>
#include <cstring>
#include <vector>

namespace comfy {

std::string uuid4(Random& random) {
  std::array<std::byte, 16> bytes{};
  random.fill(bytes);
  bytes[6] = (bytes[6] & std::byte{0x0f}) | std::byte{0x40};
  bytes[8] = (bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  std::string text = to_hex(bytes);
  for (const int dash : {20, 16, 12, 8}) text.insert(static_cast<std::size_t>(dash), 1, '-');
  return text;
}

std::string random_hex(Random& random, std::size_t bytes) {
  std::vector<std::byte> data(bytes);
  random.fill(data);
  return to_hex(data);
}

std::string random_letters(Random& random, std::size_t count, const char* alphabet) {
  const std::size_t size = std::strlen(alphabet);
  std::string text;
  while (text.size() < count) text += alphabet[random.next() % size];
  return text;
}

}  // namespace comfy
