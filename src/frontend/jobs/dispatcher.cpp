// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/dispatcher.h"

#include "foundation/base/error.h"
#include "foundation/base/fail_point.h"
#include "foundation/base/ids.h"
#include "frontend/jobs/dispatcher_answered.h"
#include "frontend/jobs/log.h"
#include "frontend/jobs/records.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace comfy::jobs {
namespace {

using namespace std::chrono_literals;

constexpr auto kOfferAgain = 5s;
constexpr auto kTidyEvery = 60s;
constexpr auto kStoreRest = 1s;
// Longer than a worker takes to give its attempt back (SessionOptions::last_step).
constexpr auto kStopGrace = 1800ms;
// A tick that comes this late means that the process stood still; so do its timers then.
constexpr auto kStoodStill = 2s;

Error queue_full(std::size_t limit) {
  return Error{Error::Kind::unavailable,
               fmt::format("the queue must have fewer than {} prompts, it is full", limit),
               "queue_full"};
}

}  // namespace

Dispatcher::Dispatcher(const Jobs::Services& services, const JobsOptions& options)
    : services_{services},
      options_{options},
      shared_{services.link.is_shared()},
      door_{std::make_shared<Door>()},
      announcer_{services.sink, services.clock},
      paused_{options.start_paused} {
  door_->inside = this;
}

Dispatcher::~Dispatcher() {
  const std::lock_guard lock{door_->mutex};
  door_->inside = nullptr;
}

void Dispatcher::start() {
  std::vector<QueuedJob> queued = services_.store.queued_jobs();
  const std::vector<OpenAttempt> open = services_.store.open_attempts();
  {
    const std::lock_guard lock{door_->mutex};
    last_tick_ = services_.clock.monotonic();
    for (QueuedJob& job : queued) {
      if (job.expires) expiries_.emplace(*job.expires, job.prompt_id);
      lanes_.add(std::move(job));
    }
    for (const OpenAttempt& attempt : open) adopt(attempt);
    if (!queued.empty() || !open.empty())
      log.info("the store holds {} waiting prompts, {} were running", queued.size(), open.size());
  }
  services_.link.start(*this);
}

void Dispatcher::stop(std::chrono::milliseconds drain) {
  {
    const std::lock_guard lock{door_->mutex};
    if (stopping_) return;
    stopping_ = true;
    // Workers that others share go on with what they do; it is taken up again after the next start.
    if (shared_) drain = 0ms;
    send_shutdown(drain);
  }
  services_.link.stop(drain + kStopGrace);
  std::unique_lock lock{door_->mutex};
  door_->quiet.wait_for(lock, 5s, [this] { return door_->writes == 0; });
}

void Dispatcher::hurry() {
  const std::lock_guard lock{door_->mutex};
  if (stopping_) send_shutdown(0ms);
}

void Dispatcher::send_shutdown(std::chrono::milliseconds drain) {
  if (shared_) return;  // they are not this server's to end
  link::Message shutdown;
  shutdown.type = link::Type::shutdown;
  shutdown.body["drain_ms"] = std::int64_t{drain.count()};
  for (auto& [key, worker] : workers_) services_.link.send(key, shutdown);
}

void Dispatcher::accept(Submission submission, Done<Accepted> done) {
  fail_point("parsed");
  std::optional<NewJob> job;
  std::optional<Error> refusal;
  NeedsPtr needs;
  try {
    std::optional<graph::Requirements> requirements;
    if (const auto& find = options_.catalogue.needs)
      requirements = find(submission.prompt, submission.outputs);
    job = to_new_job(std::move(submission), services_.random, services_.clock.wall());
    const std::lock_guard lock{door_->mutex};
    if (requirements) needs = placement_.intern(*std::move(requirements));
    admit(*job);
  } catch (const Error& error) {
    refusal = error;
  }
  if (refusal) {
    done(*refusal);
    return;
  }
  auto stored = answered<AcceptedJob>([this, owner = job->owner, counted = !job->refusal,
                                       needs](const Answer<AcceptedJob>& answer) {
    on_accepted(answer, counted ? &owner : nullptr, needs);
  });
  services_.store.accept(*std::move(job),
                         [stored = std::move(stored), done](Answer<AcceptedJob> answer) {
                           stored(answer);
                           fail_point("before_reply");
                           if (!answer.succeeded()) return done(answer.error());
                           const AcceptedJob& accepted = answer.get();
                           done(Accepted{.prompt_id = accepted.job.prompt_id,
                                         .number = parse_json(accepted.number),
                                         .node_errors = parse_json(accepted.node_errors),
                                         .repeated = accepted.repeated});
                         });
}

void Dispatcher::admit(NewJob& job) {
  if (stopping_) throw Error{Error::Kind::unavailable, "the server is about to end", "stopping"};
  const std::size_t waiting = lanes_.size() + offers_.size() + accepting_;
  const auto theirs = accepting_of_.find(job.owner);
  const std::size_t waiting_of =
      lanes_.size_of(job.owner) + (theirs == accepting_of_.end() ? 0 : theirs->second);
  if (waiting >= options_.max_queue_size) {
    job.refusal = queue_full(options_.max_queue_size);
  } else if (waiting_of >= options_.max_queue_per_user) {
    job.refusal = queue_full(options_.max_queue_per_user);
  } else {
    ++accepting_;
    ++accepting_of_[job.owner];
  }
}

void Dispatcher::on_accepted(const Answer<AcceptedJob>& answer, const std::string* counted_for,
                             const NeedsPtr& needs) {
  if (counted_for != nullptr) {
    --accepting_;
    if (--accepting_of_[*counted_for] == 0) accepting_of_.erase(*counted_for);
  }
  if (!answer.succeeded() || answer.get().repeated) return;
  ++tally_.accepted;
  QueuedJob job = answer.get().job;
  job.needs = needs;
  if (job.expires) expiries_.emplace(*job.expires, job.prompt_id);
  lanes_.add(std::move(job));
  send_status();
  dispatch();
}

void Dispatcher::cancel(JobStore::CancelRequest request, Done<std::vector<CancelResult>> done) {
  request.at = services_.clock.wall();
  auto stored =
      answered<std::vector<CancelResult>>([this](const Answer<std::vector<CancelResult>>& answer) {
        if (answer.succeeded()) on_cancelled(answer.get());
      });
  services_.store.cancel(std::move(request), [stored = std::move(stored),
                                              done](Answer<std::vector<CancelResult>> answer) {
    stored(answer);
    done(std::move(answer));
  });
}

void Dispatcher::on_cancelled(const std::vector<CancelResult>& results) {
  bool queue_changed = false;
  for (const CancelResult& result : results) {
    if (result.before == State::queued && result.after == State::cancelled && result.found) {
      forget(result.prompt_id);
      queue_changed = true;
    }
    const auto running = running_.find(result.prompt_id);
    if (!result.found || result.after != State::running || running == running_.end()) continue;
    Running& attempt = running->second;
    if (!attempt.cancel) attempt.cancelled_at = services_.clock.monotonic();
    attempt.cancel = true;
    services_.link.send(attempt.worker, link::about(link::Type::cancel, attempt.id));
  }
  if (queue_changed) send_status();
}

void Dispatcher::forget(const std::string& prompt_id) {
  lanes_.remove(prompt_id);
  const auto offer = offers_.find(prompt_id);
  // A claim on its way to the store is answered by the store: not queued any more.
  if (offer == offers_.end() || offer->second.claiming) return;
  const link::WorkerKey key = offer->second.worker;
  offers_.erase(offer);
  // In the common queue it stays, until the worker that takes it is told.
  if (!key.empty()) drop(key, prompt_id);
}

std::vector<std::string> Dispatcher::running_of(const std::string& owner) const {
  const std::lock_guard lock{door_->mutex};
  std::vector<std::string> ids;
  for (const auto& [id, running] : running_)
    if (owner.empty() || running.job.owner == owner) ids.push_back(id);
  return ids;
}

void Dispatcher::free(Jobs::Free what) {
  link::Message message;
  message.type = link::Type::free;
  message.body =
      Json::Object{{"unload_models", what.unload_models}, {"free_memory", what.free_memory}};
  const std::lock_guard lock{door_->mutex};
  for (const auto& [key, worker] : workers_) services_.link.send(key, message);
}

void Dispatcher::set_paused(bool paused) {
  const std::lock_guard lock{door_->mutex};
  paused_ = paused;
  dispatch();
}

Counts Dispatcher::counts() const {
  const StoreHealth health = services_.store.health();
  const std::lock_guard lock{door_->mutex};
  Counts counts = tally_;
  counts.pending = lanes_.size() + offers_.size();
  counts.running = running_.size();
  counts.workers = workers_.size();
  counts.store_writable = health.writable;
  counts.paused = paused_;
  counts.stopping = stopping_;
  return counts;
}

std::size_t Dispatcher::unplaced() const {
  const std::lock_guard lock{door_->mutex};
  return find_unplaced().count;
}

std::optional<std::string> Dispatcher::why_unplaced(const std::string& prompt_id) const {
  const std::lock_guard lock{door_->mutex};
  const std::optional<NeedsPtr> needs = lanes_.needs_of(prompt_id);
  if (!needs || (!workers_.empty() && placement_.any_can_run(*needs))) return {};
  return placement_.missing(*needs);
}

std::vector<WorkerView> Dispatcher::workers() const {
  const std::lock_guard lock{door_->mutex};
  std::vector<WorkerView> views;
  for (const auto& [key, worker] : workers_)
    views.push_back({.id = worker.hello.worker_id,
                     .hello = link::to_message(worker.hello).body,
                     .state = worker.report,
                     .prompt_id = running_.contains(worker.prompt_id) ? worker.prompt_id : ""});
  return views;
}

std::vector<TextEvent> Dispatcher::catch_up(const std::string& client_id,
                                            std::optional<std::uint64_t> since) const {
  const std::lock_guard lock{door_->mutex};
  std::vector<TextEvent> events;
  for (const auto& [id, running] : running_) {
    if (running.job.client_id != client_id || client_id.empty()) continue;
    const auto add = [&, owner = running.job.owner, prompt = id](
                         std::string_view type, const Json& data, std::uint64_t seq) {
      events.push_back({.client_id = client_id,
                        .owner = owner,
                        .prompt_id = prompt,
                        .type = std::string{type},
                        .seq = seq,
                        .text = std::make_shared<const std::string>(socket_text(type, data))});
    };
    for (const Recap::Lifecycle& event : running.recap.lifecycle)
      if (since && event.seq > *since) add(event.name, event.data, event.seq);
    if (!running.recap.executing.empty())
      add("executing", Json::Object{{"node", running.recap.executing}}, 0);
    if (!running.recap.progress_state.is_null())
      add("progress_state", running.recap.progress_state, 0);
  }
  return events;
}

std::size_t Dispatcher::remaining() const {
  return lanes_.size() + offers_.size() + running_.size();
}

void Dispatcher::send_status() { announcer_.status(remaining()); }

bool Dispatcher::is_store_trouble(const Error& error) {
  if (error.kind != Error::Kind::unavailable) return false;
  store_trouble_until_ = services_.clock.monotonic() + kStoreRest;
  return true;
}

void Dispatcher::tick() {
  const std::lock_guard lock{door_->mutex};
  const Time now = services_.clock.monotonic();
  // What cannot be heard is not held against anyone.
  if (const auto stood = now - last_tick_; stood > kStoodStill || !services_.link.hears())
    for (auto& [id, running] : running_) {
      running.renewed_at += stood;
      running.progress_at += stood;
    }
  last_tick_ = now;
  announcer_.tick();
  std::vector<std::pair<Time, std::function<void()>>> due;
  const auto waiting = std::stable_partition(retries_.begin(), retries_.end(),
                                             [&](const auto& retry) { return retry.first <= now; });
  std::move(retries_.begin(), waiting, std::back_inserter(due));
  retries_.erase(retries_.begin(), waiting);
  for (const auto& [time, retry] : due) retry();
  for (auto& [id, running] : running_) watch(running, now);
  retry_offers(now);
  expire_due();
  if (now >= next_tidy_) {
    next_tidy_ = now + kTidyEvery;
    services_.store.tidy(services_.clock.wall());
    complain_of_unplaced();
  }
  if (forget_lists_at_ && now >= *forget_lists_at_) {
    forget_lists_at_.reset();
    if (placement_.forget_unused()) tell_models();
  }
  dispatch();
}

void Dispatcher::retry_offers(Time now) {
  std::vector<std::string> unclaimed;
  const bool wanted = !shared_ || has_idle_worker();
  for (const auto& [id, offer] : offers_)
    if (!offer.claiming && now - offer.at > kOfferAgain && (wanted || !offer.worker.empty()))
      unclaimed.push_back(id);
  for (const std::string& id : unclaimed) {
    const link::WorkerKey key = offers_[id].worker;
    put_back(id);
    set_idle(key, id);
  }
}

void Dispatcher::expire_due() {
  std::vector<std::string> ids;
  const WallTime now = services_.clock.wall();
  while (!expiries_.empty() && expiries_.begin()->first <= now) {
    ids.push_back(expiries_.begin()->second);
    expiries_.erase(expiries_.begin());
  }
  if (ids.empty()) return;
  services_.store.expire(
      ids, now,
      answered<std::vector<std::string>>([this](const Answer<std::vector<std::string>>& answer) {
        if (!answer.succeeded() || answer.get().empty()) return;
        for (const std::string& id : answer.get()) forget(id);
        send_status();
      }));
}

}  // namespace comfy::jobs
