// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/clock.h"

#include <algorithm>

namespace comfy {

/// Lets `burst` things pass at once and `per_second` after that.
class RateLimit {
 public:
  RateLimit(double burst, double per_second)
      : burst_{burst}, per_second_{per_second}, tokens_{burst} {}

  /// True when one more may pass now.
  bool pass(Clock::Monotonic now) {
    const std::chrono::duration<double> past = now - last_;
    last_ = now;
    tokens_ = std::min(burst_, tokens_ + past.count() * per_second_);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  double burst_, per_second_, tokens_;
  Clock::Monotonic last_{};
};

}  // namespace comfy
