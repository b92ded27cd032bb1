// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/formats/tensor_table.h"

#include <algorithm>
#include <array>
#include <limits>

namespace comfy::formats {
namespace {

struct Element {
  std::string_view name;
  std::uint64_t bits;
};

// In the order of ElementType.
constexpr std::array<Element, 22> kElements{
    {{"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
     {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
     {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
     {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
     {"I64", 64},        {"U64", 64}}};
static_assert(kElements.size() == static_cast<std::size_t>(ElementType::u64) + 1);

}  // namespace

std::string_view element_name(ElementType type) {
  return kElements[static_cast<std::size_t>(type)].name;
}

std::optional<ElementType> element_named(std::string_view name) {
  const auto found = std::find_if(kElements.begin(), kElements.end(),
                                  [&](const Element& e) { return e.name == name; });
  if (found == kElements.end()) return {};
  return static_cast<ElementType>(found - kElements.begin());
}

std::uint64_t element_bits(ElementType type) {
  return kElements[static_cast<std::size_t>(type)].bits;
}

std::optional<std::uint64_t> tensor_bytes(const std::vector<std::int64_t>& shape,
                                          ElementType type) {
  constexpr Wide kLargest = std::numeric_limits<std::int64_t>::max();
  if (std::any_of(shape.begin(), shape.end(), [](std::int64_t size) { return size < 0; }))
    return {};
  // A zero anywhere makes the product zero however large the other sizes are.
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  Wide bits = element_bits(type);
  for (const std::int64_t size : shape) {
    bits *= static_cast<Wide>(size);
    if (bits > kLargest * 8) return {};
  }
  if (bits % 8 != 0) return {};
  return static_cast<std::uint64_t>(bits / 8);
}

}  // namespace comfy::formats
