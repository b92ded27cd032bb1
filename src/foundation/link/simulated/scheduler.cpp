// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/simulated/scheduler.h"

#include <algorithm>

namespace comfy::link {

void Scheduler::at(std::chrono::milliseconds time, std::function<void()> what) {
  pending_.emplace(std::pair{std::max(time, now_), ++order_}, std::move(what));
}

bool Scheduler::step() {
  if (pending_.empty()) return false;
  auto next = pending_.extract(pending_.begin());
  clock_.advance(next.key().first - now_);
  now_ = next.key().first;
  next.mapped()();
  return true;
}

std::uint64_t Scheduler::pick(std::uint64_t below) {
  // SplitMix64 (Steele, Lea, Flood 2014).
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return (z ^ (z >> 31)) % below;
}

bool Scheduler::chance(double probability) {
  return static_cast<double>(pick(1'000'000)) < probability * 1e6;
}

std::chrono::milliseconds Scheduler::between(std::chrono::milliseconds from,
                                             std::chrono::milliseconds to) {
  return from +
         std::chrono::milliseconds{pick(static_cast<std::uint64_t>((to - from).count()) + 1)};
}

}  // namespace comfy::link
