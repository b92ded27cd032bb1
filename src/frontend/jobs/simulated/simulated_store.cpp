// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/simulated/simulated_store.h"

#include "foundation/base/error.h"
#include "frontend/jobs/sqlite/changes.h"
#include "frontend/jobs/sqlite/reads.h"
#include "frontend/jobs/sqlite/schema.h"

#include <algorithm>
#include <utility>

namespace comfy::jobs {
namespace {

using namespace std::chrono_literals;

}  // namespace

SimulatedStore::SimulatedStore(link::Scheduler& scheduler, Random& random, Faults faults)
    : scheduler_{scheduler},
      faults_{faults},
      database_{std::make_unique<Database>(":memory:", Database::Mode::read_write)} {
  migrate(*database_, ":memory:", random);
  database_->execute("PRAGMA foreign_keys = ON");
}

void SimulatedStore::crash() { ++life_; }

template <class T>
void SimulatedStore::change(std::function<T(Database&)> apply, Done<T> done) {
  last_commit_ =
      std::max(last_commit_, scheduler_.now() + scheduler_.between(0ms, faults_.max_delay));
  scheduler_.at(last_commit_, [this, life = life_, apply = std::move(apply),
                               done = std::move(done)]() mutable {
    if (life != life_) return;
    std::optional<Answer<T>> answer;
    if (scheduler_.chance(faults_.failure)) {
      answer = Error{Error::Kind::unavailable, "the simulated disk is full", "disk_full"};
    } else {
      try {
        Transaction transaction{*database_};
        T value = apply(*database_);
        transaction.commit();
        answer = std::move(value);
      } catch (const Error& error) {
        answer = error;
      } catch (const DatabaseFailure& failure) {
        answer = Error{Error::Kind::internal, failure.message};
      }
    }
    last_answer_ =
        std::max(last_answer_, scheduler_.now() + scheduler_.between(0ms, faults_.max_delay));
    scheduler_.at(last_answer_, [this, life, done = std::move(done), answer = *std::move(answer)] {
      if (life == life_) done(answer);
    });
  });
}

void SimulatedStore::accept(NewJob job, Done<AcceptedJob> done) {
  change<AcceptedJob>(
      [job = std::move(job)](Database& database) { return accept_job(database, job, "simulated"); },
      std::move(done));
}

void SimulatedStore::claim(ClaimRequest request, Done<std::optional<Claimed>> done) {
  change<std::optional<Claimed>>(
      [request = std::move(request)](Database& database) {
        return claim_job(database, request, "simulated");
      },
      std::move(done));
}

void SimulatedStore::finish(Outcome outcome, Done<FinishResult> done) {
  change<FinishResult>(
      [outcome = std::move(outcome)](Database& database) { return finish_job(database, outcome); },
      std::move(done));
}

void SimulatedStore::lost(LostAttempt attempt, Done<LostResult> done) {
  change<LostResult>([attempt = std::move(attempt)](
                         Database& database) { return lose_attempt(database, attempt); },
                     std::move(done));
}

void SimulatedStore::cancel(CancelRequest request, Done<std::vector<CancelResult>> done) {
  change<std::vector<CancelResult>>(
      [request = std::move(request)](Database& database) { return cancel_jobs(database, request); },
      std::move(done));
}

void SimulatedStore::expire(std::vector<std::string> ids, WallTime at,
                            Done<std::vector<std::string>> done) {
  change<std::vector<std::string>>(
      [ids = std::move(ids), at](Database& database) { return expire_jobs(database, ids, at); },
      std::move(done));
}

void SimulatedStore::forget(std::string owner, std::optional<std::vector<std::string>> ids,
                            Done<Nothing> done) {
  change<Nothing>(
      [owner = std::move(owner), ids = std::move(ids)](Database& database) {
        forget_jobs(database, owner, ids);
        return Nothing{};
      },
      std::move(done));
}

std::vector<QueuedJob> SimulatedStore::queued_jobs() const { return read_queued_jobs(*database_); }
std::vector<OpenAttempt> SimulatedStore::open_attempts() const {
  return read_open_attempts(*database_);
}
QueueIds SimulatedStore::queue_ids(const std::string& owner) const {
  return read_queue_ids(*database_, owner);
}
std::vector<std::string> SimulatedStore::history_ids(const HistoryPage& page) const {
  return read_history_ids(*database_, page);
}
std::optional<JobRecord> SimulatedStore::find(std::string_view prompt_id) const {
  return read_job(*database_, prompt_id);
}
std::vector<JobRecord> SimulatedStore::list(const JobPage& page) const {
  return read_list(*database_, page);
}
std::size_t SimulatedStore::count(const JobPage& page) const {
  return read_count(*database_, page);
}

}  // namespace comfy::jobs
