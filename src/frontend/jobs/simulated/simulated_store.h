// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/random.h"
#include "foundation/link/simulated/scheduler.h"
#include "frontend/jobs/sqlite/database.h"
#include "frontend/jobs/store.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

namespace comfy::jobs {

/// The disk of a simulated world: what is committed survives the server's deaths.
///
/// The same statements as the real store, on a database in memory and the scheduler's clock: a
/// change is durable a while after it was asked for, and answered another while later.
class SimulatedStore final : public JobStore {
 public:
  struct Faults {
    std::chrono::milliseconds max_delay{10};
    double failure = 0;  ///< a change is refused, as by a full disk
  };

  SimulatedStore(link::Scheduler& scheduler, Random& random, Faults faults);

  /// The server's process dies: what is not durable is gone, nothing is answered any more.
  void crash();
  /// Every change is refused, or none.
  void refuse_everything(bool refuse) { faults_.failure = refuse ? 1 : 0; }
  /// For the judge of a simulation.
  Database& database() const { return *database_; }

  void accept(NewJob job, Done<AcceptedJob> done) override;
  void claim(ClaimRequest request, Done<std::optional<Claimed>> done) override;
  void finish(Outcome outcome, Done<FinishResult> done) override;
  void lost(LostAttempt attempt, Done<LostResult> done) override;
  void cancel(CancelRequest request, Done<std::vector<CancelResult>> done) override;
  void expire(std::vector<std::string> ids, WallTime at,
              Done<std::vector<std::string>> done) override;
  void forget(std::string owner, std::optional<std::vector<std::string>> ids,
              Done<Nothing> done) override;
  void tidy(WallTime) override {}

  std::vector<QueuedJob> queued_jobs() const override;
  std::vector<OpenAttempt> open_attempts() const override;
  QueueIds queue_ids(const std::string& owner) const override;
  std::vector<std::string> history_ids(const HistoryPage& page) const override;
  std::optional<JobRecord> find(std::string_view prompt_id) const override;
  std::vector<JobRecord> list(const JobPage& page) const override;
  std::size_t count(const JobPage& page) const override;
  StoreHealth health() const override { return {}; }
  std::string store_id() const override { return "simulated"; }

 private:
  template <class T>
  void change(std::function<T(Database&)> apply, Done<T> done);

  link::Scheduler& scheduler_;
  Faults faults_;
  std::unique_ptr<Database> database_;
  std::uint64_t life_ = 0;  // of the server; what an earlier one asked for is void
  std::chrono::milliseconds last_commit_{0};
  std::chrono::milliseconds last_answer_{0};
};

}  // namespace comfy::jobs
