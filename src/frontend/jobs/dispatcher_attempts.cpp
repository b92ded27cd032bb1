// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/base/fail_point.h"
#include "frontend/jobs/dispatcher.h"
#include "frontend/jobs/dispatcher_answered.h"
#include "frontend/jobs/log.h"
#include "frontend/jobs/records.h"

#include <fmt/format.h>

#include <utility>

namespace comfy::jobs {
namespace {

using namespace std::chrono_literals;

constexpr auto kRetryStore = 1s;
// Events that were sent before a result may take another way and come after it.
constexpr auto kLateEvents = 300ms;

Audience audience_of(const QueuedJob& job) {
  return {.prompt_id = job.prompt_id, .owner = job.owner, .client_id = job.client_id};
}

}  // namespace

Dispatcher::Running* Dispatcher::find(const link::AttemptId& id) {
  const auto found = running_.find(id.prompt_id);
  if (found == running_.end() || found->second.id != id) return nullptr;
  return &found->second;
}

void Dispatcher::adopt(const OpenAttempt& attempt) {
  const Time now = services_.clock.monotonic();
  Running& running = running_[attempt.job.prompt_id] = {
      .job = attempt.job,
      .id = {attempt.job.prompt_id, attempt.attempt, attempt.token},
      .worker = shared_ ? attempt.worker : link::WorkerKey{},
      .cancel = attempt.cancel_requested,
      .cancelled_at = now,
      .renewed_at = now,
      .progress_at = now,
      .started_at = now,
      .adopted = true};
  if (options_.restart == JobsOptions::Restart::attempts_ended)
    lose(running, "the server ended", Counted::yes);
}

void Dispatcher::on_renew(const link::WorkerKey& key, const link::Message& message) {
  link::Renew renew = link::read_renew(message);
  const Time now = services_.clock.monotonic();
  if (const auto worker = workers_.find(key); worker != workers_.end())
    note_state(worker->second, std::move(renew.state));
  Running* running = find(renew.id);
  if (running == nullptr || running->losing) {
    services_.link.send(
        key, link::to_message(link::Renewed{
                 .id = renew.id, .counter = renew.counter, .cancel = false, .lost = true}));
    return;
  }
  running->worker = key;
  if (std::exchange(running->adopted, false))
    services_.link.send(key, link::about(link::Type::snapshot, running->id));
  if (renew.counter > running->counter) {
    running->counter = renew.counter;
    running->renewed_at = now;
  }
  if (renew.progress > running->progress) {
    running->progress = renew.progress;
    running->progress_at = now;
  }
  services_.link.send(
      key, link::to_message(
               link::Renewed{.id = renew.id, .counter = renew.counter, .cancel = running->cancel}));
}

void Dispatcher::on_event(link::Message message) {
  link::Event event = link::read_event(std::move(message));
  Running* running = find(event.id);
  if (running == nullptr) {
    ++tally_.stale_results;
    return;
  }
  for (const link::Event& ready : running->order.add(std::move(event), services_.clock.monotonic()))
    deliver(*running, ready);
  if (running->parked && running->order.reached(running->parked->last_event)) end_stream(*running);
}

void Dispatcher::on_snapshot(const link::Message& message) {
  Running* running = find(link::attempt_of(message));
  if (running == nullptr || !running->recap.lifecycle.empty()) return;
  std::uint64_t seq = 0;
  for (const Json& entry : message.body.at("messages").as_array())
    running->recap.note(
        {.seq = ++seq, .name = entry.as_array().at(0).as_string(), .data = entry.as_array().at(1)});
  running->recap.progress_state = message.body.at("progress_state");
}

void Dispatcher::deliver(Running& running, const link::Event& event) {
  running.recap.note(event);
  announcer_.event(audience_of(running.job), event.name, event.data, event.seq);
}

void Dispatcher::on_preview(link::Message message) {
  link::Preview preview = link::read_preview(std::move(message));
  Running* running = find(preview.id);
  if (running == nullptr) {
    ++tally_.stale_results;
    return;
  }
  announcer_.preview(audience_of(running->job), std::move(preview), running->preview_asked);
}

void Dispatcher::on_finish(const link::WorkerKey& key, link::Message message) {
  const std::shared_ptr<const void> held = message.held;
  link::Finish finish = link::read_finish(std::move(message));
  if (const auto worker = workers_.find(key); worker != workers_.end() && !finish.state.is_null())
    note_state(worker->second, std::move(finish.state));
  Running* running = find(finish.id);
  if (running == nullptr) {
    ++tally_.stale_results;
    services_.link.send(
        key, link::about(link::Type::finished, finish.id, Json::Object{{"stored", false}}));
    set_idle(key, finish.id.prompt_id);
    return dispatch();
  }
  if (running->finishing) return;  // answered when the store has answered
  running->finishing = true;
  running->worker = key;
  running->held = held;
  running->parked = std::move(finish);
  running->parked_until = services_.clock.monotonic() + kLateEvents;
  if (!shared_ || running->order.reached(running->parked->last_event)) end_stream(*running);
}

void Dispatcher::end_stream(Running& running) {
  for (const link::Event& event : running.order.rest()) deliver(running, event);
  link::Finish finish = *std::exchange(running.parked, {});
  store_finish(running.worker, std::move(finish));
}

void Dispatcher::store_finish(const link::WorkerKey& key, link::Finish finish) {
  services_.store.finish(to_outcome(finish),
                         answered<FinishResult>([this, key, finish](Answer<FinishResult> answer) {
                           on_finished(key, finish, std::move(answer));
                         }));
}

void Dispatcher::on_finished(const link::WorkerKey& key, const link::Finish& finish,
                             Answer<FinishResult> answer) {
  if (!answer.succeeded()) {
    // Nothing is forgotten before it is written down.
    is_store_trouble(answer.error());
    log.error("the result of prompt {} waits for the store: {}", finish.id.prompt_id,
              answer.error().message);
    retries_.emplace_back(services_.clock.monotonic() + kRetryStore,
                          [this, key, finish] { store_finish(key, finish); });
    return;
  }
  const FinishResult result = answer.get();
  fail_point("before_ack");
  services_.link.send(
      key, link::about(link::Type::finished, finish.id, Json::Object{{"stored", result.stored}}));
  fail_point("after_ack");
  set_idle(key, finish.id.prompt_id);
  Running* running = find(finish.id);
  ++(result.stored ? tally_.finished : tally_.stale_results);
  if (result.stored && running != nullptr) {
    const Audience audience = audience_of(running->job);
    charge(*running);
    running_.erase(finish.id.prompt_id);
    const Json::Array& messages = finish.messages.as_array();
    if (result.state == State::cancelled && finish.end == link::End::succeeded) {
      announcer_.event(audience, "execution_interrupted",
                       interrupted_data(audience.prompt_id, finish.ended));
    } else if (!messages.empty()) {
      announcer_.event(audience, messages.back().as_array().at(0).as_string(),
                       messages.back().as_array().at(1));
    }
    send_status();
    announcer_.idle(audience);
    log.info("prompt {} {} in {} ms", audience.prompt_id, state_name(result.state),
             (finish.ended - finish.started).count());
  }
  dispatch();
}

void Dispatcher::charge(const Running& running) {
  const Time now = services_.clock.monotonic();
  lanes_.charge(running.job,
                std::chrono::duration_cast<std::chrono::milliseconds>(now - running.started_at),
                now);
}

void Dispatcher::on_release(const link::WorkerKey& key, const link::Message& message) {
  const std::string reason = message.body.string_or("reason", "released");
  if (Running* running = find(link::attempt_of(message))) lose(*running, reason, Counted::no);
  set_idle(key, message.prompt_id);
  std::erase_if(claimants_, [&](const auto& entry) { return entry.second == key; });
  // A job of the common queue that its taker cannot begin.
  if (const auto offer = offers_.find(message.prompt_id);
      offer != offers_.end() && shared_ && !offer->second.claiming)
    put_back(message.prompt_id);
  const auto worker = workers_.find(key);
  // Another server's prompt; its next greeting tells of the end.
  if (worker != workers_.end() && reason == "busy" && worker->second.state == Worker::State::idle)
    worker->second.state = Worker::State::busy;
  if (worker != workers_.end() && message.body.bool_or("leaving", false)) {
    worker->second.state = Worker::State::leaving;
    std::vector<std::string> offered;
    for (const auto& [id, offer] : offers_)
      if (offer.worker == key && !offer.claiming) offered.push_back(id);
    for (const std::string& id : offered) put_back(id);
  }
  dispatch();
}

LostAttempt Dispatcher::lost_attempt(const Running& running, const std::string& reason,
                                     Counted counted) const {
  const WallTime now = services_.clock.wall();
  Json::Array lifecycle;
  for (const Recap::Lifecycle& event : running.recap.lifecycle)
    if (event.name.starts_with("execution_"))
      lifecycle.push_back(Json::Array{event.name, event.data});
  Json::Array cancelled = lifecycle;
  cancelled.push_back(
      Json::Array{"execution_interrupted", interrupted_data(running.job.prompt_id, now)});
  const Json error = worker_lost_data(
      running.job.prompt_id, running.recap.executing,
      fmt::format("worker_lost: the worker ended in each of {} attempts: %ATTEMPTS%",
                  options_.max_attempts),
      now);
  lifecycle.push_back(Json::Array{"execution_error", error});
  return {.prompt_id = running.id.prompt_id,
          .attempt = running.id.attempt,
          .token = running.id.token,
          .reason = counted == Counted::yes ? fmt::format("worker_lost ({})", reason) : reason,
          .counted = counted == Counted::yes,
          .max_attempts = options_.max_attempts,
          .at = now,
          .failed_status = status_text(false, lifecycle),
          .failed_error = to_json(error),
          .cancelled_status = status_text(false, cancelled)};
}

void Dispatcher::lose(Running& running, const std::string& reason, Counted counted) {
  if (running.losing || running.finishing) return;
  running.losing = true;
  if (counted == Counted::yes)
    log.warn("attempt {} of prompt {} is lost: {}", running.id.attempt, running.id.prompt_id,
             reason);
  store_lost(lost_attempt(running, reason, counted));
}

void Dispatcher::store_lost(LostAttempt attempt) {
  services_.store.lost(attempt, answered<LostResult>([this, attempt](Answer<LostResult> answer) {
                         on_lost(attempt, std::move(answer));
                       }));
}

void Dispatcher::on_lost(const LostAttempt& attempt, Answer<LostResult> answer) {
  if (!answer.succeeded()) {
    is_store_trouble(answer.error());
    retries_.emplace_back(services_.clock.monotonic() + kRetryStore,
                          [this, attempt] { store_lost(attempt); });
    return;
  }
  const LostResult& result = answer.get();
  Running* running = find({attempt.prompt_id, attempt.attempt, attempt.token});
  if (running == nullptr) return;
  const Audience audience = audience_of(running->job);
  const std::string node = running->recap.executing;
  const NeedsPtr needs = running->job.needs;
  charge(*running);
  running_.erase(attempt.prompt_id);
  if (!result.current) return;
  if (result.state == State::queued) {
    QueuedJob job = *result.job;
    job.needs = needs;
    lanes_.add(std::move(job));
    send_status();
    answer_claimant(attempt.prompt_id);
    return dispatch();
  }
  answer_claimant(attempt.prompt_id);
  if (result.state == State::cancelled) {
    announcer_.event(audience, "execution_interrupted",
                     interrupted_data(audience.prompt_id, attempt.at));
  } else {
    announcer_.event(
        audience, "execution_error",
        worker_lost_data(audience.prompt_id, node,
                         fmt::format("worker_lost: the worker ended in each of {} attempts: {}",
                                     attempt.max_attempts, result.attempts),
                         attempt.at));
  }
  send_status();
  announcer_.idle(audience);
  dispatch();
}

void Dispatcher::watch(Running& running, Time now) {
  for (const link::Event& event : running.order.late(now)) deliver(running, event);
  if (running.parked && now > running.parked_until) end_stream(running);
  if (running.losing || running.finishing) return;
  if (now - running.renewed_at > options_.lease) {
    services_.link.kill(running.worker);
    return lose(running, fmt::format("no sign of life for {} s", options_.lease.count() / 1000),
                Counted::yes);
  }
  if (options_.stall > 0ms && now - running.progress_at > options_.stall) {
    services_.link.kill(running.worker);
    return lose(running, fmt::format("no progress for {} s", options_.stall.count() / 1000),
                Counted::yes);
  }
  if (running.cancel && now - running.cancelled_at > options_.cancel_grace) {
    log.warn("prompt {} does not react to its cancellation, its worker is ended",
             running.id.prompt_id);
    services_.link.kill(running.worker);
    running.cancelled_at = now;  // once in a while is enough
  }
}

}  // namespace comfy::jobs
