// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/clock.h"

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::access {

/// Counts failed attempts per address, so that nobody tries many keys. An IPv6 address counts with
/// its whole /64, which one customer has to himself.
class AttemptLimit {
 public:
  static constexpr std::size_t kMost = 10;
  static constexpr std::chrono::minutes kWindow{1};

  /// Whether the address may not try again yet: it failed 10 times within the last minute.
  bool is_spent(std::string_view address, Clock::Monotonic now);
  /// Notes one failure.
  void fail(std::string_view address, Clock::Monotonic now);

 private:
  void forget_old(Clock::Monotonic now);
  std::map<std::string, std::vector<Clock::Monotonic>, std::less<>> failures_;
};

}  // namespace comfy::access
