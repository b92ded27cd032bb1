// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/clock.h"
#include "frontend/jobs/placement.h"
#include "frontend/jobs/store.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>

namespace comfy::jobs {

/// The queue in memory, in the order in which jobs are handed out: highest class first; within it
/// the user who has had the least run time lately; within a user the lowest number, then the
/// oldest.
class Lanes {
 public:
  void add(QueuedJob job);
  /// Takes a job out; nothing when it is not here.
  std::optional<QueuedJob> remove(const std::string& prompt_id);
  /// Takes the next job out; nothing when there is none.
  std::optional<QueuedJob> next(Clock::Monotonic now) { return next(now, {}); }
  /// The next of those whose class and needs pass. The others keep their places.
  using Passes = std::function<bool(Class, const NeedsPtr&)>;
  std::optional<QueuedJob> next(Clock::Monotonic now, const Passes& passes);
  /// Notes that a job has run that long; it is half forgotten after ten minutes. What runs is
  /// charged at the usual length until then, so that several workers do not all serve one user.
  void charge(const QueuedJob& job, std::chrono::milliseconds ran, Clock::Monotonic now);

  std::size_t size() const { return places_.size(); }
  std::size_t size_of(const std::string& owner) const;
  bool contains(const std::string& prompt_id) const { return places_.contains(prompt_id); }
  /// What a waiting job needs; nothing when it is not here.
  std::optional<NeedsPtr> needs_of(const std::string& prompt_id) const;
  /// How many wait for what, for each thing that any of them needs.
  std::map<NeedsPtr, std::size_t> needs() const;

 private:
  using Place = std::pair<double, std::int64_t>;  // number, sequence
  using Lane = std::map<Place, QueuedJob>;        // of one user, all with the same needs
  using User = std::map<NeedsPtr, Lane>;
  struct Usage {
    double milliseconds = 0;
    Clock::Monotonic at{};
    std::uint64_t served = 0;  // when it was last served, to break ties
  };
  void add_usage(const std::string& owner, double milliseconds, Clock::Monotonic now);
  double usage_of(const std::string& owner, Clock::Monotonic now) const;

  struct Where {
    Class job_class = Class::normal;
    std::string owner = {};
    NeedsPtr needs = {};
    Place place = {};
  };
  static const Lane* first_lane(const User& user, const std::function<bool(const NeedsPtr&)>& may);

  std::map<Class, std::map<std::string, User>> classes_;
  std::unordered_map<std::string, Where> places_;
  std::unordered_map<std::string, std::size_t> sizes_;
  std::unordered_map<std::string, Usage> usage_;
  std::uint64_t served_ = 0;
  double usual_ = 1000;  // milliseconds that jobs ran lately
  bool known_ = false;   // one has run
};

}  // namespace comfy::jobs
