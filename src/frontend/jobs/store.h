// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/error.h"
#include "frontend/jobs/answer.h"
#include "frontend/jobs/placement.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::jobs {

/// The states of reliability: queued -> running -> one of the terminal ones.
enum class State { queued, running, succeeded, failed, cancelled, expired };

/// "queued", "running", ... as the store keeps them.
std::string_view state_name(State state);
/// "pending", "in_progress", "completed", "failed", "cancelled" as the jobs API shows them.
std::string_view api_name(State state);
bool is_terminal(State state);

/// Classes run one after the other; within a class users take turns.
enum class Class { high = 0, normal = 1, low = 2 };

/// Milliseconds since 1970.
using WallTime = std::chrono::milliseconds;

/// A job to be written down. Texts are JSON as they will be shown.
struct NewJob {
  std::string prompt_id = {};
  std::string owner = {};
  Class job_class = Class::normal;
  std::optional<double> number = {};  ///< nothing: the store draws the next one
  bool front = false;                 ///< negates a drawn number
  std::string body_hash = {};         ///< hex
  std::string idempotency_key = {};
  std::string client_id = {};
  std::string workflow_id = {};
  std::string prompt = {};
  std::string extra_data = {};
  std::string secrets = {};  ///< JSON object, "" when there are none
  std::string outputs_to_execute = {};
  std::string node_errors = {};
  WallTime created{};
  std::optional<WallTime> expires = {};
  /// The queue is full: only what was accepted before is answered, everything else is this error.
  std::optional<Error> refusal = {};
};

/// What the queue keeps of a job in memory.
struct QueuedJob {
  std::string prompt_id = {};
  std::string owner = {};
  Class job_class = Class::normal;
  double number = 0;
  std::int64_t sequence = 0;
  std::string client_id = {};
  std::optional<WallTime> expires = {};
  double prepaid = 0;  ///< milliseconds that its owner was charged when it was handed out
  /// What its worker must have. The store does not keep it: null until it is found out.
  NeedsPtr needs = {};
};

/// A submission's place; `repeated` when the same job had been there before.
struct AcceptedJob {
  QueuedJob job = {};
  std::string number = {};  ///< JSON text
  std::string node_errors = {};
  bool repeated = false;
};

/// An attempt that a worker asks for.
struct ClaimRequest {
  std::string prompt_id = {};
  std::string token = {};
  std::string worker = {};
  int max_attempts = 3;
  WallTime at{};
};

/// A granted claim: everything a worker needs. Texts are JSON.
struct Claimed {
  std::string prompt_id = {};
  int attempt = 0;
  std::string owner = {};
  std::string client_id = {};
  std::string prompt = {};
  std::string extra_data = {};
  std::string secrets = {};
  std::string outputs_to_execute = {};
};

/// How an attempt ended well or badly, ready for history.
struct Outcome {
  std::string prompt_id = {};
  int attempt = 0;
  std::string token = {};
  State state = State::succeeded;  ///< succeeded, failed or cancelled
  std::string outputs = {};        ///< JSON texts, as history shows them
  std::string meta = {};
  std::string status = {};
  std::string error = {};  ///< data of execution_error, or ""
  /// In case the cancel flag was stored first: the record of a cancelled run.
  std::string cancelled_status = {};
  std::int64_t outputs_count = 0;
  std::string preview_output = {};  ///< JSON object, or ""
  WallTime started{};
  WallTime ended{};
};

struct FinishResult {
  bool stored = false;             ///< false: the attempt is not the current one
  State state = State::succeeded;  ///< what the record says now
};

/// An attempt that ended without a result.
struct LostAttempt {
  std::string prompt_id = {};
  int attempt = 0;
  std::string token = {};
  std::string reason = {};  ///< "signal 11, SIGSEGV"
  bool counted = true;      ///< false for a release: the attempt is taken back
  int max_attempts = 3;
  WallTime at{};
  /// History of a job that is failed because its attempts are spent; %ATTEMPTS% in it is replaced
  /// by the list of attempts.
  std::string failed_status = {};
  std::string failed_error = {};
  std::string cancelled_status = {};
};

struct LostResult {
  bool current = false;               ///< false: stale, nothing changed
  State state = State::queued;        ///< queued again, failed or cancelled
  std::optional<QueuedJob> job = {};  ///< when it is queued again
  std::string attempts = {};          ///< sentence that lists the attempts, for the error message
};

/// What cancel found.
struct CancelResult {
  std::string prompt_id = {};
  bool found = false;
  State before = State::queued;
  State after = State::cancelled;  ///< running stays running, with its flag up
};

/// An attempt that an earlier process left open.
struct OpenAttempt {
  QueuedJob job = {};
  int attempt = 0;
  std::string token = {};
  std::string worker = {};
  bool cancel_requested = false;
};

/// One row of the queue or of history; texts are JSON. Columns of the other kind are empty.
struct JobRecord {
  std::string prompt_id = {};
  std::string owner = {};
  State state = State::queued;
  std::string number = {};
  std::string prompt = {};
  std::string extra_data = {};
  std::string outputs_to_execute = {};
  std::string outputs = {};
  std::string meta = {};
  std::string status = {};
  std::string error = {};
  std::string preview_output = {};
  std::string workflow_id = {};
  std::int64_t outputs_count = 0;
  WallTime created{};
  std::optional<WallTime> started = {};
  std::optional<WallTime> ended = {};
};

/// Who runs and who waits.
struct QueueIds {
  std::vector<std::string> running = {};
  std::vector<std::string> queued = {};
};

/// Which finished jobs a history page holds, oldest first.
struct HistoryPage {
  std::string owner = {};  ///< empty = everybody's
  std::size_t limit = 10'000;
  std::size_t offset = 0;
  bool from_newest = true;  ///< the last `limit` ones in place of those after `offset`
};

struct JobPage {
  std::string owner = {};
  std::vector<State> states = {};  ///< empty = all
  std::string workflow_id = {};
  bool by_duration = false;
  bool ascending = false;
  std::size_t limit = 0;
  std::size_t offset = 0;
};

struct StoreHealth {
  bool writable = true;
  bool disk_low = false;  ///< the reserve is spent: nothing is accepted until space returns
  bool unclean_start = false;
  std::string damage = {};  ///< what quick_check found, or ""
};

/// Where jobs are written down: the truth of what was promised.
///
/// Changes are asynchronous: they are made in the order of the calls, `done` is called in that
/// order from one thread of the store once the change is durable, and never from inside the call.
/// Reads block, see every change whose `done` was called, and may run on any thread.
/// Errors in answers: conflict, unavailable with `details` "store_unavailable" or "disk_full".
class JobStore {
 public:
  virtual ~JobStore() = default;

  virtual void accept(NewJob job, Done<AcceptedJob> done) = 0;
  /// Nothing when the job is not queued any more.
  virtual void claim(ClaimRequest request, Done<std::optional<Claimed>> done) = 0;
  virtual void finish(Outcome outcome, Done<FinishResult> done) = 0;
  virtual void lost(LostAttempt attempt, Done<LostResult> done) = 0;
  /// Queued jobs end as cancelled; running ones get their flag. An owner that is not empty
  /// restricts it to that user's.
  struct CancelRequest {
    enum class Scope { any, queued, running };
    std::string owner = {};
    std::vector<std::string> ids = {};
    bool all_queued = false;  ///< in place of `ids`
    Scope scope = Scope::any;
    WallTime at{};
  };
  virtual void cancel(CancelRequest request, Done<std::vector<CancelResult>> done) = 0;
  /// Queued jobs whose time has passed end as expired.
  virtual void expire(std::vector<std::string> ids, WallTime at,
                      Done<std::vector<std::string>> done) = 0;
  /// Removes finished jobs; nothing in `ids` means all of the owner's.
  virtual void forget(std::string owner, std::optional<std::vector<std::string>> ids,
                      Done<Nothing> done) = 0;
  /// Removes what retention no longer keeps.
  virtual void tidy(WallTime at) = 0;

  virtual std::vector<QueuedJob> queued_jobs() const = 0;
  virtual std::vector<OpenAttempt> open_attempts() const = 0;
  /// Both in run order, of everybody when `owner` is empty; ids only, as answers are put together
  /// piece by piece.
  virtual QueueIds queue_ids(const std::string& owner) const = 0;
  virtual std::vector<std::string> history_ids(const HistoryPage& page) const = 0;
  virtual std::optional<JobRecord> find(std::string_view prompt_id) const = 0;
  virtual std::vector<JobRecord> list(const JobPage& page) const = 0;
  virtual std::size_t count(const JobPage& page) const = 0;
  virtual StoreHealth health() const = 0;
  virtual std::string store_id() const = 0;
};

}  // namespace comfy::jobs
