// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/clock.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

namespace comfy::link {

/// Everything that will happen in a simulated world, in the order of its own clock. One thread.
class Scheduler {
 public:
  explicit Scheduler(std::uint64_t seed) : state_{seed} {}

  const Clock& clock() const { return clock_; }
  std::chrono::milliseconds now() const { return now_; }

  void at(std::chrono::milliseconds time, std::function<void()> what);
  void after(std::chrono::milliseconds delay, std::function<void()> what) {
    at(now_ + delay, std::move(what));
  }
  /// Somebody sets the wall clock.
  void shift_wall(std::chrono::milliseconds by) { clock_.shift_wall(by); }
  /// Does the next thing. False when there is none.
  bool step();

  /// A random number in [0, below); the seed decides all of them.
  std::uint64_t pick(std::uint64_t below);
  /// True with that probability.
  bool chance(double probability);
  /// A random time in [from, to].
  std::chrono::milliseconds between(std::chrono::milliseconds from, std::chrono::milliseconds to);

 private:
  ManualClock clock_;
  std::chrono::milliseconds now_{0};
  std::uint64_t state_;
  std::uint64_t order_ = 0;
  std::map<std::pair<std::chrono::milliseconds, std::uint64_t>, std::function<void()>> pending_;
};

}  // namespace comfy::link
