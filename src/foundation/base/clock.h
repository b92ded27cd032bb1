// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <chrono>

namespace comfy {

/// Time, injected wherever a rule depends on it, so that a test can drive it.
class Clock {
 public:
  using Monotonic = std::chrono::steady_clock::time_point;

  virtual ~Clock() = default;
  /// Never goes backwards; for leases, deadlines and durations.
  virtual Monotonic monotonic() const = 0;
  /// Milliseconds since 1970, for people and records only; it may jump.
  virtual std::chrono::milliseconds wall() const = 0;
};

/// The machine's own clock.
const Clock& system_clock();

/// A clock that stands still until a test moves it.
class ManualClock final : public Clock {
 public:
  Monotonic monotonic() const override { return Monotonic{} + now_; }
  std::chrono::milliseconds wall() const override { return start_ + now_ + wall_offset_; }
  void advance(std::chrono::milliseconds by) { now_ += by; }
  void shift_wall(std::chrono::milliseconds by) { wall_offset_ += by; }

 private:
  std::chrono::milliseconds start_{1'700'000'000'000};
  std::chrono::milliseconds now_{0};
  std::chrono::milliseconds wall_offset_{0};
};

}  // namespace comfy
