// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace comfy::formats {

static_assert(std::endian::native == std::endian::little,
              "numbers are read as they lie in the file");

/// Reads a span of bytes from front to back and never beyond its end: `on_end` (which throws) is
/// called when fewer are left than asked for.
template <class OnEnd>
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, std::size_t position, OnEnd on_end)
      : bytes_{bytes}, position_{position}, on_end_{on_end} {
    if (position_ > bytes_.size()) on_end_();
  }

  std::size_t position() const { return position_; }
  std::size_t left() const { return bytes_.size() - position_; }
  bool at_end() const { return left() == 0; }

  std::string_view text(std::uint64_t count) {
    if (count > left()) on_end_();
    const std::string_view part{reinterpret_cast<const char*>(bytes_.data()) + position_,
                                static_cast<std::size_t>(count)};
    position_ += part.size();
    return part;
  }

  void skip(std::uint64_t count) { text(count); }

  template <class Number>
  Number number() {
    Number value{};
    std::memcpy(&value, text(sizeof(Number)).data(), sizeof(Number));
    return value;
  }

  /// Up to and without the next newline, which is read too.
  std::string_view line() {
    const std::string_view rest{reinterpret_cast<const char*>(bytes_.data()) + position_, left()};
    const std::size_t length = rest.find('\n');
    if (length == std::string_view::npos) on_end_();
    position_ += length + 1;
    return rest.substr(0, length);
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t position_;
  OnEnd on_end_;
};

}  // namespace comfy::formats
