// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace comfy::media {

/// Whole numbers at checked places of a file.
class Bytes {
 public:
  enum class Order : std::uint8_t { little, big };

  explicit Bytes(std::string_view data, Order order = Order::little) : data_{data}, order_{order} {}

  std::size_t size() const { return data_.size(); }
  std::string_view data() const { return data_; }
  std::optional<std::uint8_t> u8(std::size_t at) const {
    if (at >= data_.size()) return {};
    return static_cast<std::uint8_t>(data_[at]);
  }
  std::optional<std::uint16_t> u16(std::size_t at) const {
    const auto value = number(at, 2);
    if (!value) return {};
    return static_cast<std::uint16_t>(*value);
  }
  std::optional<std::uint32_t> u32(std::size_t at) const { return number(at, 4); }
  /// `count` bytes from `at`; nothing when they reach past the end.
  std::optional<std::string_view> part(std::size_t at, std::size_t count) const {
    if (at > data_.size() || count > data_.size() - at) return {};
    return data_.substr(at, count);
  }

 private:
  std::optional<std::uint32_t> number(std::size_t at, std::size_t count) const {
    if (at > data_.size() || count > data_.size() - at) return {};
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t from = order_ == Order::big ? at + i : at + count - 1 - i;
      value = value << 8 | static_cast<std::uint8_t>(data_[from]);
    }
    return value;
  }

  std::string_view data_;
  Order order_;
};

}  // namespace comfy::media
