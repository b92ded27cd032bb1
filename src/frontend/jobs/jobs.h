// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/clock.h"
#include "foundation/base/json.h"
#include "foundation/base/random.h"
#include "foundation/graph/requirements.h"
#include "foundation/link/bodies.h"
#include "frontend/jobs/answer.h"
#include "frontend/jobs/event_sink.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::link {
class WorkerLink;
}

namespace comfy::jobs {

class JobStore;

/// A validated prompt on its way in.
struct Submission {
  std::string prompt_id = {};        ///< the client's choice (see is_prompt_id); empty = a new UUID
  std::string idempotency_key = {};  ///< header `Idempotency-Key`, or empty
  std::string owner = {};            ///< authenticated user; empty without authentication
  Json received = {};                ///< `prompt` as it came, for the idempotency hash
  Json prompt = {};                  ///< the validated (coerced) form, which is stored and run
  std::vector<std::string> outputs = {};      ///< outputs_to_execute
  Json partial_targets = {};                  ///< `partial_execution_targets` as received, or null
  Json extra_data = Json::Object{};           ///< as received; secrets are split off here
  std::optional<std::string> client_id = {};  ///< put into extra_data, as ComfyUI does
  std::optional<double> number = {};          ///< explicit priority
  bool front = false;                         ///< negates the number that is drawn
  Json node_errors = Json::Object{};          ///< part of the answer
  std::optional<std::chrono::milliseconds> expires_at = {};  ///< wall clock; nothing = never
};

/// The answer to a submission; the same again for the same id and body.
struct Accepted {
  std::string prompt_id = {};
  Json number = {};
  Json node_errors = {};
  bool repeated = false;  ///< this id had been accepted before; nothing new was queued
};

/// Who asks. An empty user means that authentication is off: everything is seen and touched.
struct Caller {
  std::string user = {};
};

/// What became of one id that was to be cancelled.
struct Cancelled {
  std::string prompt_id = {};
  std::string state = {};  ///< as the jobs API names it after the call; empty = unknown id
  bool changed = false;
};

/// What GET /api/jobs asks for.
struct JobQuery {
  std::vector<std::string> states =
      {};  ///< pending, in_progress, completed, failed, cancelled; none = all
  std::string workflow_id = {};
  enum class Sort { created_at, execution_duration } sort = Sort::created_at;
  bool ascending = false;
  std::size_t limit = 0;  ///< 0 = no limit was given
  std::size_t offset = 0;
};

/// A worker as /system_stats and metrics show it.
struct WorkerView {
  std::string id = {};
  Json hello = {};             ///< devices, labels, build id as the worker announced them
  Json state = {};             ///< memory and what is loaded, from its last renewal; null before
  std::string prompt_id = {};  ///< what it runs, or empty
};

struct Counts {
  std::size_t pending = 0;
  std::size_t running = 0;
  std::size_t workers = 0;
  std::uint64_t accepted = 0;       ///< prompts, since the start like all that follow
  std::uint64_t claims = 0;         ///< a worker asked for a prompt
  std::uint64_t attempts = 0;       ///< a worker was told to run one
  std::uint64_t takeovers = 0;      ///< of these, after an earlier attempt was lost
  std::uint64_t finished = 0;       ///< results that were stored
  std::uint64_t stale_results = 0;  ///< results that came too late
  std::uint64_t ignored_messages = 0;
  bool store_writable = true;
  bool paused = false;
  bool stopping = false;
};

/// How what workers have reaches the server, and what prompts need of it.
struct CatalogueHooks {
  /// The classes of the catalogue of that hash; null when it is not at hand.
  std::function<std::shared_ptr<const std::set<std::string>>(const std::string& hash)> classes = {};
  /// A worker's catalogue that was not known.
  std::function<void(const std::string& hash, Json definitions)> received = {};
  /// The model files of all workers, such as "checkpoints/a.safetensors", whenever they change.
  std::function<void(std::shared_ptr<const std::set<std::string>>)> models = {};
  /// What a worker must have to run a prompt.
  std::function<graph::Requirements(const Json& prompt, const std::vector<std::string>& outputs)>
      needs = {};
};

struct JobsOptions {
  std::size_t max_queue_size = 65'536;
  std::size_t max_queue_per_user = 65'536;
  int max_attempts = 3;
  bool start_paused = false;
  std::chrono::milliseconds lease{30'000};
  std::chrono::milliseconds stall{0};  ///< 0 = progress is not watched
  std::chrono::milliseconds cancel_grace{
      60'000};  ///< then a worker that ignores a cancel is killed
  /// What running attempts of an earlier server process are: ended with it (its children), or
  /// perhaps still alive (a broker's workers, which get a whole lease to speak up).
  enum class Restart { attempts_ended, attempts_may_live } restart = Restart::attempts_ended;
  CatalogueHooks catalogue = {};
};

/// The life of prompts: accepted, dispatched, claimed, run, ended, remembered.
///
/// Thread-safe. Calls with `Done` return at once and answer when the change is on disk (a refusal
/// may be answered from inside the call). Calls marked "blocking" read the disk: use the blocking
/// pool. Errors: invalid_input; conflict (`details` "prompt_id_conflict"); too_large; unavailable
/// with `details` "queue_full" (429), "store_unavailable" (503), "disk_full" (507), "stopping"
/// (503).
class Jobs {
 public:
  struct Services {
    JobStore& store;
    link::WorkerLink& link;
    EventSink& sink;
    const Clock& clock;
    Random& random;
  };

  Jobs(Services services, JobsOptions options);
  ~Jobs();
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  /// Blocking. Takes the queue out of the store and starts the link. With `Timer::own` a thread
  /// calls tick(); a test that drives time calls it itself.
  enum class Timer { own, driven };
  void start(Timer timer = Timer::own);
  /// Blocking. Accepts nothing more, gives running jobs `drain` to end, takes the rest back.
  void stop(std::chrono::milliseconds drain);
  /// Ends the patience of a stop() that another thread is in: running jobs are taken back now.
  void hurry();
  /// Leases, gaps in event streams, rate limits. Called every 50 ms or so.
  void tick();

  void accept(Submission submission, Done<Accepted> done);
  /// Queued or running, idempotent, no effect on finished ones.
  void cancel(const Caller& caller, std::vector<std::string> ids,
              Done<std::vector<Cancelled>> done);
  /// That job if it runs (and is the caller's), otherwise nothing; without an id every running job
  /// of the caller.
  void interrupt(const Caller& caller, std::optional<std::string> prompt_id, Done<Nothing> done);
  /// Queued jobs only; unknown and running ids are passed over.
  void delete_queued(const Caller& caller, std::vector<std::string> ids, Done<Nothing> done);
  void clear_queue(const Caller& caller, Done<Nothing> done);
  void delete_history(const Caller& caller, std::vector<std::string> ids, Done<Nothing> done);
  void clear_history(const Caller& caller, Done<Nothing> done);

  /// Blocking, up to two seconds. A worker's answer to a question for a node's own validator;
  /// nothing when none answers in time. `question.id` is filled in.
  std::optional<link::Verdict> ask_validator(link::Question question);

  /// Tells every worker; each acts between jobs.
  struct Free {
    bool unload_models = false;
    bool free_memory = false;
  };
  void free(Free what);
  void pause();
  void resume();

  /// No disk: pending and running, as `queue_remaining` counts them.
  Counts counts() const;
  /// How many of the prompts that wait no worker that is there could run; 0 while none is there.
  std::size_t unplaced() const;
  std::vector<WorkerView> workers() const;
  /// No disk. What a client that connects again should be sent to catch up: its running prompt's
  /// `executing` and `progress_state`; with `since` also lifecycle events after that number.
  std::vector<TextEvent> catch_up(const std::string& client_id,
                                  std::optional<std::uint64_t> since = {}) const;

  /// Gives one piece of a long answer after the other, and nothing at its end. Each call blocks.
  using Pieces = std::function<std::optional<std::string>()>;
  /// {"queue_running": [...], "queue_pending": [...]} as JSON text, in run order.
  Pieces queue_pieces(const Caller& caller) const;
  /// Blocking. The same in whole.
  std::string queue(const Caller& caller) const;
  /// The object of GET /history as JSON text, piece by piece; what is removed meanwhile is left
  /// out.
  Pieces history_pieces(const Caller& caller, std::optional<std::int64_t> max_items,
                        std::int64_t offset = -1) const;
  /// Blocking. The same in whole. `max_items` and `offset` as ComfyUI takes
  /// them: offset < 0 with max_items gives the last ones; without max_items the newest 10,000.
  std::string history(const Caller& caller, std::optional<std::int64_t> max_items,
                      std::int64_t offset = -1) const;
  /// Blocking. {id: entry}, or {} for an unknown id.
  std::string history_of(const Caller& caller, std::string_view prompt_id) const;
  /// Blocking. {"jobs": [...], "pagination": {...}} as JSON text.
  std::string list(const Caller& caller, const JobQuery& query) const;
  /// Blocking. One job with its outputs and workflow as JSON text, or nothing for an unknown id.
  std::optional<std::string> job(const Caller& caller, std::string_view prompt_id) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// True for 1 to 128 bytes of [A-Za-z0-9._:-].
bool is_prompt_id(std::string_view text);

}  // namespace comfy::jobs
