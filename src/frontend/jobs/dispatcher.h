// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/bodies.h"
#include "foundation/link/worker_link.h"
#include "frontend/jobs/announcer.h"
#include "frontend/jobs/attempt_stream.h"
#include "frontend/jobs/inquiries.h"
#include "frontend/jobs/jobs.h"
#include "frontend/jobs/lanes.h"
#include "frontend/jobs/placement.h"
#include "frontend/jobs/store.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace comfy::jobs {

/// Hands jobs to workers and follows their attempts: the rules of claims, leases and cancels.
///
/// The store decides; what is held here is what its answers said. One mutex guards all of it, and
/// nothing under it blocks. Without threads of its own: it is called by the link, by the store and
/// by whoever calls tick().
class Dispatcher final : public link::WorkerListener {
 public:
  Dispatcher(const Jobs::Services& services, const JobsOptions& options);
  ~Dispatcher() override;

  void start();
  void stop(std::chrono::milliseconds drain);
  void hurry();
  void tick();

  void accept(Submission submission, Done<Accepted> done);
  void cancel(JobStore::CancelRequest request, Done<std::vector<CancelResult>> done);
  /// Ids of running jobs that this user may touch.
  std::vector<std::string> running_of(const std::string& owner) const;
  /// Blocking: see Jobs.
  std::optional<link::Verdict> ask_validator(link::Question question);
  void free(Jobs::Free what);
  void set_paused(bool paused);

  Counts counts() const;
  /// How many of those that wait no worker that is there could run.
  std::size_t unplaced() const;
  /// Why a waiting job waits: no worker can run it. Nothing otherwise.
  std::optional<std::string> why_unplaced(const std::string& prompt_id) const;
  std::vector<WorkerView> workers() const;
  std::vector<TextEvent> catch_up(const std::string& client_id,
                                  std::optional<std::uint64_t> since) const;

  void on_message(const link::WorkerKey& worker, link::Message message) override;
  void on_worker_lost(const link::WorkerKey& worker, const link::WorkerExit& exit) override;
  void on_worker_there(const link::WorkerKey& worker) override;
  void on_offer_lost(const std::string& prompt_id) override;
  void on_link_up() override;

 private:
  using Time = Clock::Monotonic;

  struct Worker {
    enum class State { idle, busy, leaving } state = State::idle;
    link::Hello hello = {};
    Json report = {};
    Names loaded = {};           ///< model files that it holds ready
    std::string prompt_id = {};  ///< offered, claimed or running
  };

  /// A job that was shown to a worker and is not running yet.
  struct Offer {
    QueuedJob job = {};
    link::WorkerKey worker = {};  ///< empty: whichever takes it from the common queue
    Time at{};
    bool claiming = false;

    bool waits_for_all() const { return worker.empty() && !claiming; }
  };

  struct Running {
    QueuedJob job = {};
    link::AttemptId id = {};
    link::WorkerKey worker = {};
    bool preview_asked = false;
    link::Message go = {};
    bool cancel = false;
    Time cancelled_at{};
    Time renewed_at{};
    std::uint64_t counter = 0;
    std::uint64_t progress = 0;
    Time progress_at{};
    Time started_at{};
    EventOrder order = {};
    Recap recap = {};
    bool adopted = false;    ///< an earlier process started it, and its worker did not speak yet
    bool finishing = false;  ///< its result is here
    std::optional<link::Finish> parked = {};  ///< its result, as long as events are on their way
    Time parked_until{};
    std::shared_ptr<const void> held = {};  ///< its result at the broker, until it is stored
    bool losing = false;                    ///< so is the news of its loss
  };

  /// The way in for answers of the store that come after this object is gone.
  struct Door {
    std::mutex mutex;
    std::condition_variable quiet;
    Dispatcher* inside = nullptr;
    std::atomic<std::size_t> writes{0};
  };

  template <class T, class F>
  Done<T> answered(F then);

  // Workers and claims. All with the mutex held.
  void send_shutdown(std::chrono::milliseconds drain);
  void dispatch();
  void offer(const link::WorkerKey& key, Worker& worker, QueuedJob job);
  void offer_to_all(QueuedJob job);
  /// How many jobs of each class lie in the common queue.
  std::map<Class, std::size_t> waiting_for_all() const;
  bool has_idle_worker() const;
  enum class Choice { any, preferred };
  std::optional<link::WorkerKey> idle_worker(const NeedsPtr& needs, Choice choice) const;
  static void note_state(Worker& worker, Json state);
  void note_lists(const link::WorkerKey& key, const link::Hello& hello);
  void on_catalogue(const link::Message& message);
  void on_models(const link::Message& message);
  void tell_models();
  struct Unplaced {
    std::size_t count = 0;
    NeedsPtr example = {};
  };
  Unplaced find_unplaced() const;
  void complain_of_unplaced();
  void place_elsewhere(const link::WorkerKey& key, const std::string& prompt_id);
  void claim_of_running(const link::WorkerKey& key, Running& running);
  void answer_claimant(const std::string& prompt_id);
  void greet_again(const link::WorkerKey& key, const link::Hello& hello);
  void on_hello(const link::WorkerKey& key, const link::Message& message);
  void on_claim(const link::WorkerKey& key, const std::string& prompt_id);
  void on_claimed(const link::WorkerKey& key, const std::string& token,
                  Answer<std::optional<Claimed>> answer, const std::string& prompt_id);
  void run(const link::WorkerKey& key, QueuedJob job, const std::string& token, Claimed claimed);
  void drop(const link::WorkerKey& key, const std::string& prompt_id);
  /// Marks a worker free that was busy with that prompt.
  void set_idle(const link::WorkerKey& key, const std::string& prompt_id);
  void put_back(const std::string& prompt_id);
  void ask_for(const link::WorkerKey& key, std::string_view what);

  // Running attempts.
  Running* find(const link::AttemptId& id);
  void on_renew(const link::WorkerKey& key, const link::Message& message);
  void on_event(link::Message message);
  void on_preview(link::Message message);
  void on_snapshot(const link::Message& message);
  void on_finish(const link::WorkerKey& key, link::Message message);
  void on_release(const link::WorkerKey& key, const link::Message& message);
  void end_stream(Running& running);
  void store_finish(const link::WorkerKey& key, link::Finish finish);
  void on_finished(const link::WorkerKey& key, const link::Finish& finish,
                   Answer<FinishResult> answer);
  enum class Counted { yes, no };
  void lose(Running& running, const std::string& reason, Counted counted);
  void store_lost(LostAttempt attempt);
  void on_lost(const LostAttempt& attempt, Answer<LostResult> answer);
  LostAttempt lost_attempt(const Running& running, const std::string& reason,
                           Counted counted) const;
  void charge(const Running& running);
  void adopt(const OpenAttempt& attempt);
  void watch(Running& running, Time now);
  void expire_due();
  void retry_offers(Time now);
  void deliver(Running& running, const link::Event& event);
  void forget(const std::string& prompt_id);

  /// Takes a place in the queue for it, or gives it the refusal that it gets unless it is known.
  void admit(NewJob& job);
  /// counted_for: the owner whose place was taken, or null.
  void on_accepted(const Answer<AcceptedJob>& answer, const std::string* counted_for,
                   const NeedsPtr& needs);
  void on_cancelled(const std::vector<CancelResult>& results);
  void send_status();
  std::size_t remaining() const;
  bool is_store_trouble(const Error& error);

  Jobs::Services services_;
  JobsOptions options_;
  const bool shared_;  ///< workers are not this server's own
  std::shared_ptr<Door> door_;
  Announcer announcer_;
  Inquiries inquiries_;

  Placement placement_;
  Lanes lanes_;
  std::map<std::string, Offer> offers_;
  std::map<std::string, Running> running_;
  std::map<link::WorkerKey, Worker> workers_;
  std::map<link::WorkerKey, std::string> early_claims_;  ///< of workers that did not say hello yet
  std::map<std::string, link::WorkerKey> claimants_;     ///< who waits for a running job's end
  std::multimap<WallTime, std::string> expiries_;
  std::size_t accepting_ = 0;
  std::unordered_map<std::string, std::size_t> accepting_of_;
  std::vector<std::pair<Time, std::function<void()>>> retries_;
  Time last_tick_{};
  Time next_tidy_{};
  Time store_trouble_until_{};
  Time offers_rest_until_{};
  std::optional<Time> forget_lists_at_ = {};
  bool unplaced_ = false;  ///< it was told that some prompts have no worker
  bool paused_ = false;
  bool stopping_ = false;
  Counts tally_ = {};  ///< only what is counted since the start
};

}  // namespace comfy::jobs
