// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::formats {

/// What one element of a stored tensor is. In the order in which safetensors ranks its types, by
/// growing alignment.
enum class ElementType {
  boolean,
  f4,
  f6_e2m3,
  f6_e3m2,
  u8,
  i8,
  f8_e5m2,
  f8_e4m3,
  f8_e8m0,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  i16,
  u16,
  f16,
  bf16,
  i32,
  u32,
  f32,
  c64,
  f64,
  i64,
  u64
};

/// The name that safetensors writes, for instance "BF16".
std::string_view element_name(ElementType type);
/// Nothing when no type has that name.
std::optional<ElementType> element_named(std::string_view name);
/// Size of one element in bits; three types are smaller than a byte.
std::uint64_t element_bits(ElementType type);

/// Where one tensor lies in a file.
struct TensorEntry {
  std::string name = {};
  ElementType type = ElementType::f32;
  std::vector<std::int64_t> shape = {};
  /// In elements, one per dimension; empty when the elements lie row by row without gaps.
  std::vector<std::int64_t> strides = {};
  std::uint64_t offset = 0;  ///< of its first byte, counted from the start of the file
  std::uint64_t bytes = 0;   ///< from its first byte to behind its last
};

/// What a model file holds: names, types, shapes and places; never the numbers themselves.
///
/// A file of nested data (a pickle) is flattened: list positions and dictionary keys joined by dots
/// ("320.0.linear.0.weight"); its plain values become metadata under such names.
struct TensorTable {
  std::vector<TensorEntry> tensors;  ///< in the order of the file
  std::map<std::string, std::string, std::less<>> metadata;
};

/// The most tensors a file may hold and the most dimensions a tensor may have.
inline constexpr std::size_t kMaxTensors = 1'000'000;
inline constexpr std::size_t kMaxDimensions = 8;

/// For sums and products of numbers from files, which may be chosen to overflow 64 bits.
__extension__ typedef unsigned __int128 Wide;  // NOLINT(modernize-use-using)

/// Bytes of `shape` elements of a type, in 128-bit arithmetic; nothing when a size is negative, the
/// sum does not fit 63 bits, or (for types below a byte) it is no whole number of bytes.
std::optional<std::uint64_t> tensor_bytes(const std::vector<std::int64_t>& shape, ElementType type);

}  // namespace comfy::formats
