// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/cancellation.h"
#include "foundation/base/clock.h"
#include "foundation/link/bodies.h"
#include "foundation/link/worker_link.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

namespace comfy::attempts {

/// What runs attempts. Calls come with the session's mutex held: they must return at once and must
/// not call the session.
class Runner {
 public:
  virtual ~Runner() = default;
  /// Starts an attempt; its end is told to Session::finished.
  virtual void start(link::Go go, Cancellation cancellation) = 0;
  /// Drops models, or models and cached results, once nothing runs.
  virtual void free(bool unload_models, bool free_memory) = 0;
  /// Memory and what is loaded, for renewals.
  virtual Json report() = 0;
  /// The prompt's record is stored: what was kept for another attempt may go.
  virtual void forget(const link::AttemptId& id, const std::string& owner) = 0;
};

struct SessionOptions {
  link::Hello hello = {};
  /// The node definitions, when the server asks for them.
  std::function<Json()> catalogue = {};
  /// The server asks a node's own validator; the answer goes to Session::answer.
  std::function<void(link::Question)> asked = {};
  /// Called when the connection is gone, for workers that do not outlive their server.
  std::function<void()> on_server_lost = {};
  std::chrono::milliseconds renew_every{5'000};
  /// After this long without an acknowledged renewal nothing is published.
  std::chrono::milliseconds fence_after{25'000};
  std::chrono::milliseconds ask_again{2'000};
  /// How long an attempt may take to notice that the drain is over.
  std::chrono::milliseconds last_step{1'500};

  // Over a shared link.
  std::chrono::milliseconds hello_every{10'000};
  /// A claim that no server answers in this time is given up, so that servers that are away do not
  /// tie up the workers of the others; theirs offer the job again when they come back.
  std::chrono::milliseconds claim_patience{10'000};
  /// A result that the broker keeps is left to it after this time.
  std::chrono::milliseconds finish_patience{10'000};
  /// After this long the job's token is given back to the broker and the lease alone protects the
  /// attempt: a broker takes a consumer that holds a message for half an hour for dead.
  std::chrono::milliseconds settle_after{600'000};
};

/// The worker's side of the rules: claims jobs, keeps the attempt's lease, hands its events and its
/// result over, and lets go when told to.
///
/// One mutex guards it and nothing under it blocks; it has no thread of its own.
class Session final : public link::ServerListener {
 public:
  Session(SessionOptions options, Runner& runner, const Clock& clock);

  /// A connection to the server: says hello and repeats what is unanswered. The link must outlive
  /// its use, which ends with on_server_lost.
  void connect(link::ServerLink& link);
  void on_message(link::Message message) override;
  void on_server_lost() override;
  void on_server_found() override;
  void on_kept(const link::Message& finish) override;
  /// Called every 100 ms or so.
  void tick();

  // From the runner's threads.
  void event(const link::AttemptId& id, std::string_view name, Json data);
  void preview(link::Preview preview);
  void finished(link::Finish finish);
  void answer(const link::Verdict& verdict);

  /// The model files that this worker finds: {folder: [names]}. Servers are told of the change.
  void set_models(std::string hash, const Json& folders);

  /// Whether this attempt may publish: `closed` until a renewal is acknowledged again, `lost` when
  /// it is not the current one any more.
  enum class Fence { open, closed, lost };
  Fence fence(const link::AttemptId& id);
  /// Waits while the fence is closed. Throws Error(interrupted) when the attempt is lost.
  void pass_fence(const link::AttemptId& id);

  /// Takes no new job, ends once the attempt has; after `patience` the attempt is given back.
  /// A second call shortens the patience.
  void drain(std::chrono::milliseconds patience);
  /// True from the first drain() on.
  bool draining() const;
  /// True once the drain is over: nothing more will be sent.
  bool ended() const;

 private:
  using Time = Clock::Monotonic;
  enum class Phase { idle, claiming, running, finishing };

  void send(link::Message message);
  void say_hello();
  void say_where_we_are();
  void want_job();
  void give_back(const link::Message& job, std::string_view reason);
  void take(link::AttemptId job);
  void set_aside(const link::Message& job);
  void take_what_was_set_aside();
  void send_models(const std::string& store);
  void claim();
  void renew();
  void start(link::Go go);
  void on_renewed(const link::Renewed& renewed);
  void on_finished(const link::Message& message);
  void stop_attempt();
  void release(const link::AttemptId& id, std::string_view reason);
  void rest();
  void start_drain(std::chrono::milliseconds patience);
  void send_finish();
  void send_catalogue(const std::string& store);
  void send_snapshot();
  Fence fence_now() const;
  bool is_current(const link::AttemptId& id) const;

  SessionOptions options_;
  Runner& runner_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable fence_moved_;
  link::ServerLink* link_ = nullptr;

  Phase phase_ = Phase::idle;
  link::AttemptId claimed_;  // prompt and store of Phase::claiming
  Time claimed_at_{};
  std::deque<link::AttemptId> aside_;  // jobs that wait for this worker alone
  bool owes_hello_ = false;            // somebody takes it for idle
  std::string models_;                 // deflated
  Time finished_at_{};
  Time running_since_{};
  bool settled_ = false;  // the broker keeps the job for nobody
  bool kept_ = false;     // the broker has the result
  Time said_hello_{};
  link::AttemptId id_;  // of Phase::running and finishing
  std::string owner_;
  Cancellation cancellation_;
  bool cancelled_by_user_ = false;
  bool lost_ = false;
  std::uint64_t event_seq_ = 0;
  std::uint64_t progress_ = 0;
  Json::Array lifecycle_;
  Json progress_state_;
  std::optional<link::Finish> finish_;
  bool finish_sent_ = false;
  Time asked_at_{};

  std::uint64_t counter_ = 0;
  Time renewed_at_{};    // when the last renewal was sent
  Time acknowledged_{};  // when the last acknowledged renewal was sent

  bool paused_ = false;
  bool draining_ = false;
  bool ended_ = false;
  bool given_up_ = false;
  Time drain_until_{};
};

}  // namespace comfy::attempts
