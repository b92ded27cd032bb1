// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace comfy::server {

/// The bytes of a request. A small body lies in memory, a big one in an unlinked temporary file
/// that is mapped, so that many uploads at once do not fill the memory; both look the same from
/// here.
class Body {
 public:
  Body() = default;
  explicit Body(std::string text);
  /// Maps `size` bytes of an open file; the caller may close its descriptor afterwards.
  /// Throws Error(unavailable) when the system refuses.
  static Body map(int descriptor, std::size_t size);

  std::string_view view() const { return view_; }
  bool empty() const { return view_.empty(); }
  std::size_t size() const { return view_.size(); }

 private:
  std::shared_ptr<const void> owner_;
  std::string_view view_;
};

}  // namespace comfy::server
