// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/clock.h"
#include "foundation/link/bodies.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace comfy::jobs {

/// Puts the events of one attempt in order: a gap is waited for up to 200 ms, then passed over.
class EventOrder {
 public:
  /// Takes an event that came; the ones that may be delivered now are returned in order.
  std::vector<link::Event> add(link::Event event, Clock::Monotonic now);
  /// What may be delivered because its predecessors did not come in time.
  std::vector<link::Event> late(Clock::Monotonic now);
  /// Everything that waits, at the attempt's end.
  std::vector<link::Event> rest();
  /// True once everything up to that one has been delivered or passed over.
  bool reached(std::uint64_t seq) const { return next_ > seq; }

 private:
  std::vector<link::Event> ready();
  std::uint64_t next_ = 1;
  std::map<std::uint64_t, link::Event> waiting_;
  std::optional<Clock::Monotonic> gap_since_;
};

/// What a client that comes back in the middle of an attempt needs to be told.
struct Recap {
  struct Lifecycle {
    std::uint64_t seq = 0;
    std::string name = {};
    Json data = {};
  };
  std::vector<Lifecycle> lifecycle = {};
  Json progress_state = {};
  std::string executing = {};  ///< display id of the running node

  void note(const link::Event& event);
};

}  // namespace comfy::jobs
