// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/clock.h"

#include <mutex>
#include <optional>
#include <string>

namespace comfy::link {

/// Says that a program does not reach its broker: at once, and then once a minute as long as that
/// lasts, however many connections try and however often.
class Complaints {
 public:
  /// `name`: the program, as the broker's tools show it. `address`: without user and password.
  Complaints(std::string name, std::string address, const Clock& clock);

  void trouble(const std::string& reason);
  /// A connection is up. It must stay so for a while before the next trouble is told at once: one
  /// that comes and goes says nothing new.
  void well();

 private:
  const std::string name_;
  const std::string address_;
  const Clock& clock_;
  std::mutex mutex_;
  std::optional<Clock::Monotonic> said_{};
  std::optional<Clock::Monotonic> well_since_{};
};

}  // namespace comfy::link
