// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/checkpoint/elements.h"

#include <algorithm>
#include <array>
#include <utility>

namespace comfy::checkpoint {
namespace {

using formats::ElementType;

constexpr std::array kTypes{
    std::pair{ElementType::boolean, at::kBool},
    std::pair{ElementType::u8, at::kByte},
    std::pair{ElementType::i8, at::kChar},
    std::pair{ElementType::f8_e5m2, at::kFloat8_e5m2},
    std::pair{ElementType::f8_e4m3, at::kFloat8_e4m3fn},
    std::pair{ElementType::f8_e8m0, at::kFloat8_e8m0fnu},
    std::pair{ElementType::f8_e4m3fnuz, at::kFloat8_e4m3fnuz},
    std::pair{ElementType::f8_e5m2fnuz, at::kFloat8_e5m2fnuz},
    std::pair{ElementType::i16, at::kShort},
    std::pair{ElementType::u16, at::kUInt16},
    std::pair{ElementType::f16, at::kHalf},
    std::pair{ElementType::bf16, at::kBFloat16},
    std::pair{ElementType::i32, at::kInt},
    std::pair{ElementType::u32, at::kUInt32},
    std::pair{ElementType::f32, at::kFloat},
    std::pair{ElementType::c64, at::kComplexFloat},
    std::pair{ElementType::f64, at::kDouble},
    std::pair{ElementType::i64, at::kLong},
    std::pair{ElementType::u64, at::kUInt64},
};

}  // namespace

std::optional<DType> dtype_of(ElementType type) {
  const auto row =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& r) { return r.first == type; });
  if (row == kTypes.end()) return {};
  return row->second;
}

std::optional<ElementType> element_of(DType type) {
  const auto row =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& r) { return r.second == type; });
  if (row == kTypes.end()) return {};
  return row->first;
}

}  // namespace comfy::checkpoint
