// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/attempts/session.h"

#include "foundation/base/error.h"
#include "foundation/base/fail_point.h"
#include "worker/attempts/log.h"

#include <algorithm>
#include <utility>

namespace comfy::attempts {

using link::Type;

namespace {

// Every server sends one at a time.
constexpr std::size_t kMostAside = 16;

}  // namespace

Session::Session(SessionOptions options, Runner& runner, const Clock& clock)
    : options_{std::move(options)}, runner_{runner}, clock_{clock} {}

void Session::send(link::Message message) {
  if (link_ != nullptr) link_->send(std::move(message));
}

void Session::connect(link::ServerLink& link) {
  {
    const std::lock_guard lock{mutex_};
    link_ = &link;
  }
  link.start(*this);
  const std::lock_guard lock{mutex_};
  say_where_we_are();
}

void Session::say_where_we_are() {
  say_hello();
  if (phase_ == Phase::claiming) claim();
  if (phase_ == Phase::running || phase_ == Phase::finishing) renew();
  if (phase_ == Phase::finishing) send_finish();
  want_job();
}

void Session::say_hello() {
  said_hello_ = clock_.monotonic();
  link::Hello hello = options_.hello;
  hello.busy = phase_ != Phase::idle || paused_ || draining_;
  if (phase_ == Phase::running || phase_ == Phase::finishing) hello.running = {id_};
  hello.state = runner_.report();
  send(link::to_message(hello));
}

void Session::want_job() {
  if (link_ != nullptr) link_->want_job(phase_ == Phase::idle && !paused_ && !draining_);
}

void Session::on_server_found() {
  const std::lock_guard lock{mutex_};
  say_where_we_are();
}

void Session::on_kept(const link::Message& finish) {
  const std::lock_guard lock{mutex_};
  if (phase_ == Phase::finishing && is_current(link::attempt_of(finish))) kept_ = true;
}

void Session::on_server_lost() {
  {
    const std::lock_guard lock{mutex_};
    link_ = nullptr;
  }
  if (options_.on_server_lost) options_.on_server_lost();
}

void Session::on_message(link::Message message) {
  const std::lock_guard lock{mutex_};
  switch (message.type) {
    case Type::job:
      if (phase_ != Phase::idle || paused_ || draining_) return set_aside(message);
      fail_point("after_delivery");
      return take({.prompt_id = message.prompt_id, .store = message.store});
    case Type::go:
      return start(link::read_go(message));
    case Type::drop:
      std::erase_if(aside_, [&](const link::AttemptId& job) {
        return job.prompt_id == message.prompt_id && job.store == message.store;
      });
      if (phase_ == Phase::claiming && claimed_.prompt_id == message.prompt_id) rest();
      return;
    case Type::wait:
      asked_at_ = claimed_at_ = clock_.monotonic();
      return;
    case Type::renewed:
      return on_renewed(link::read_renewed(message));
    case Type::finished:
      return on_finished(message);
    case Type::cancel:
      // The token makes sure that no other attempt is hit.
      if (!is_current(link::attempt_of(message))) return;
      cancelled_by_user_ = true;
      return cancellation_.cancel();
    case Type::free:
      return runner_.free(message.body.bool_or("unload_models", false),
                          message.body.bool_or("free_memory", false));
    case Type::pause:
    case Type::resume:
      paused_ = message.type == Type::pause;
      want_job();
      return take_what_was_set_aside();
    case Type::shutdown:
      return start_drain(std::chrono::milliseconds{message.body.int_or("drain_ms", 0)});
    case Type::need:
      if (message.body.string_or("what", "") == "catalogue") send_catalogue(message.store);
      if (message.body.string_or("what", "") == "models") send_models(message.store);
      if (message.body.string_or("what", "") == "hello") say_hello();
      return;
    case Type::validate:
      if (options_.asked) options_.asked(link::read_question(message));
      return;
    case Type::snapshot:
      return send_snapshot();
    case Type::ping: {
      link::Message pong;
      pong.type = Type::pong;
      return send(std::move(pong));
    }
    default:
      return;
  }
}

void Session::take(link::AttemptId job) {
  phase_ = Phase::claiming;
  claimed_ = std::move(job);
  claimed_at_ = clock_.monotonic();
  claim();
  want_job();
}

/// What only this worker can run waits for it; everything else is for the next who is idle.
void Session::set_aside(const link::Message& job) {
  const link::AttemptId id{.prompt_id = job.prompt_id, .store = job.store};
  const bool is_taken = (phase_ == Phase::claiming && claimed_ == id) ||
                        std::ranges::find(aside_, id) != aside_.end();
  if (is_taken) return;
  owes_hello_ = true;
  if (draining_ || aside_.size() >= kMostAside || !job.body.bool_or("only", false))
    return give_back(job, "busy");
  aside_.push_back(id);
}

void Session::take_what_was_set_aside() {
  if (aside_.empty() || phase_ != Phase::idle || paused_ || draining_) return;
  const link::AttemptId job = std::move(aside_.front());
  aside_.pop_front();
  take(job);
}

void Session::claim() {
  link::Message message;
  message.type = Type::claim;
  message.prompt_id = claimed_.prompt_id;
  message.store = claimed_.store;
  asked_at_ = clock_.monotonic();
  send(std::move(message));
}

void Session::start(link::Go go) {
  if (is_current(go.id)) return;  // our claim was answered twice
  if (phase_ != Phase::claiming || claimed_.prompt_id != go.id.prompt_id || draining_)
    return release(go.id, "not asked for");
  fail_point("after_go");
  phase_ = Phase::running;
  id_ = go.id;
  owner_ = go.owner;
  cancellation_ = Cancellation{};
  cancelled_by_user_ = go.cancelled;
  lost_ = false;
  event_seq_ = 0;
  lifecycle_.clear();
  progress_state_ = {};
  finish_.reset();
  finish_sent_ = settled_ = kept_ = false;
  running_since_ = clock_.monotonic();
  if (go.cancelled) cancellation_.cancel();
  // The permission itself is as good as an acknowledged renewal, from the moment we asked for it.
  acknowledged_ = asked_at_;
  renewed_at_ = clock_.monotonic();
  runner_.start(std::move(go), cancellation_);
}

void Session::renew() {
  renewed_at_ = clock_.monotonic();
  send(link::to_message(link::Renew{
      .id = id_, .counter = ++counter_, .progress = progress_, .state = runner_.report()}));
}

void Session::on_renewed(const link::Renewed& renewed) {
  if (!is_current(renewed.id)) return;
  if (renewed.lost) return stop_attempt();
  // Only the answer to the latest one tells when it was sent.
  if (renewed.counter == counter_) acknowledged_ = renewed_at_;
  if (renewed.cancel) {
    cancelled_by_user_ = true;
    cancellation_.cancel();
  }
  fence_moved_.notify_all();
  if (phase_ == Phase::finishing && !finish_sent_) send_finish();
}

void Session::stop_attempt() {
  lost_ = true;
  cancellation_.cancel();
  fence_moved_.notify_all();
  if (phase_ != Phase::finishing) return;  // the runner will come to finished()
  release(id_, "lost");
  rest();
}

void Session::on_finished(const link::Message& message) {
  if (phase_ != Phase::finishing || !is_current(link::attempt_of(message))) return;
  if (message.body.bool_or("stored", false)) runner_.forget(id_, owner_);
  fail_point("after_finish");
  rest();
}

void Session::rest() {
  const std::string& prompt_id = phase_ == Phase::claiming ? claimed_.prompt_id : id_.prompt_id;
  if (link_ != nullptr) link_->settle(prompt_id);
  phase_ = Phase::idle;
  claimed_ = {};
  id_ = {};
  finish_.reset();
  want_job();
  take_what_was_set_aside();
  if (phase_ == Phase::idle && std::exchange(owes_hello_, false)) say_hello();
  if (!draining_) return;
  release({}, "drain");
  ended_ = true;
}

void Session::give_back(const link::Message& job, std::string_view reason) {
  // Over a socket the server finds out by itself that nothing came of its offer.
  if (link_ == nullptr || !link_->is_shared()) return;
  release({.prompt_id = job.prompt_id, .store = job.store}, reason);
  link_->settle(job.prompt_id);
}

void Session::release(const link::AttemptId& id, std::string_view reason) {
  send(link::about(Type::release, id, Json::Object{{"reason", reason}, {"leaving", draining_}}));
}

bool Session::is_current(const link::AttemptId& id) const {
  return (phase_ == Phase::running || phase_ == Phase::finishing) && id == id_;
}

void Session::event(const link::AttemptId& id, std::string_view name, Json data) {
  const std::lock_guard lock{mutex_};
  if (!is_current(id) || lost_) return;
  ++progress_;
  if (name == "progress_state") progress_state_ = data;
  if (name.starts_with("execution_")) lifecycle_.push_back(Json::Array{name, data});
  send(link::to_message(link::Event{.id = id_,
                                    .seq = ++event_seq_,
                                    .name = std::string{name},
                                    .data = std::move(data),
                                    .owner = owner_}));
}

void Session::preview(link::Preview preview) {
  const std::lock_guard lock{mutex_};
  if (!is_current(preview.id) || lost_) return;
  preview.owner = owner_;
  send(link::to_message(std::move(preview)));
}

void Session::finished(link::Finish finish) {
  const std::lock_guard lock{mutex_};
  if (!is_current(finish.id) || phase_ != Phase::running) return;
  const bool stopped_by_drain =
      given_up_ && !cancelled_by_user_ && finish.end == link::End::cancelled;
  if (lost_ || stopped_by_drain) {
    release(id_, lost_ ? "lost" : "drain");
    return rest();
  }
  phase_ = Phase::finishing;
  finish_ = std::move(finish);
  finish_->last_event = event_seq_;
  finish_->state = runner_.report();
  finished_at_ = clock_.monotonic();
  fail_point("before_finish");
  send_finish();
}

void Session::answer(const link::Verdict& verdict) {
  const std::lock_guard lock{mutex_};
  send(link::to_message(verdict));
}

void Session::send_finish() {
  asked_at_ = clock_.monotonic();
  // A result is published like a file: only by an attempt that is known to be current.
  if (fence_now() == Fence::closed) return renew();
  finish_sent_ = true;
  send(link::to_message(*finish_));
}

Session::Fence Session::fence_now() const {
  if (lost_) return Fence::lost;
  const bool fresh = clock_.monotonic() - acknowledged_ < options_.fence_after;
  return fresh ? Fence::open : Fence::closed;
}

Session::Fence Session::fence(const link::AttemptId& id) {
  const std::lock_guard lock{mutex_};
  return is_current(id) ? fence_now() : Fence::lost;
}

void Session::pass_fence(const link::AttemptId& id) {
  std::unique_lock lock{mutex_};
  const auto state = [&] { return is_current(id) ? fence_now() : Fence::lost; };
  if (state() == Fence::closed) renew();
  fence_moved_.wait(lock, [&] { return state() != Fence::closed; });
  if (state() == Fence::lost)
    throw Error(Error::Kind::interrupted, "this attempt is not the current one any more");
}

void Session::drain(std::chrono::milliseconds patience) {
  const std::lock_guard lock{mutex_};
  start_drain(patience);
}

void Session::start_drain(std::chrono::milliseconds patience) {
  const Time until = clock_.monotonic() + patience;
  drain_until_ = draining_ ? std::min(drain_until_, until) : until;
  draining_ = true;
  want_job();
  if (phase_ == Phase::running || phase_ == Phase::finishing) return;
  // A claim that is still unanswered is void: what comes of it is not taken.
  if (phase_ == Phase::claiming) release(claimed_, "drain");
  rest();
}

bool Session::draining() const {
  const std::lock_guard lock{mutex_};
  return draining_;
}

bool Session::ended() const {
  const std::lock_guard lock{mutex_};
  return ended_;
}

void Session::tick() {
  const std::lock_guard lock{mutex_};
  const Time now = clock_.monotonic();
  const bool shared = link_ != nullptr && link_->is_shared();
  if (shared && now - said_hello_ > options_.hello_every) say_hello();
  if (phase_ == Phase::claiming) {
    if (shared && now - claimed_at_ > options_.claim_patience) {
      release(claimed_, "no answer");
      return rest();
    }
    if (now - asked_at_ > options_.ask_again) claim();
  }
  if (phase_ != Phase::running && phase_ != Phase::finishing) return;
  if (!settled_ && now - running_since_ > options_.settle_after) {
    settled_ = true;
    if (link_ != nullptr) link_->settle(id_.prompt_id);
  }
  if (kept_ && phase_ == Phase::finishing && now - finished_at_ > options_.finish_patience)
    return rest();
  if (now - renewed_at_ > options_.renew_every) renew();
  if (phase_ == Phase::finishing && now - asked_at_ > options_.ask_again) send_finish();
  if (!draining_ || now < drain_until_ || ended_) return;
  if (!given_up_) {
    given_up_ = true;
    cancellation_.cancel();
  } else if (now > drain_until_ + options_.last_step) {
    log.warn("the step that runs does not end; its attempt is given back");
    release(id_, "drain");
    lost_ = true;
    ended_ = true;
    fence_moved_.notify_all();
  }
}

void Session::send_catalogue(const std::string& store) {
  if (!options_.catalogue) return;
  link::Message message;
  message.type = Type::catalogue;
  message.store = store;
  message.body["hash"] = options_.hello.catalogue_hash;
  message.binary = link::deflate(to_compact_json(options_.catalogue()));
  send(std::move(message));
}

void Session::set_models(std::string hash, const Json& folders) {
  std::string packed = link::deflate(to_compact_json(folders));
  const std::lock_guard lock{mutex_};
  if (options_.hello.models_hash == hash) return;
  options_.hello.models_hash = std::move(hash);
  models_ = std::move(packed);
  say_hello();
}

void Session::send_models(const std::string& store) {
  if (models_.empty()) return;
  link::Message message;
  message.type = Type::models;
  message.store = store;
  message.body["hash"] = options_.hello.models_hash;
  message.binary = models_;
  send(std::move(message));
}

void Session::send_snapshot() {
  if (phase_ != Phase::running) return;
  send(link::about(Type::snapshot, id_,
                   Json::Object{{"messages", lifecycle_}, {"progress_state", progress_state_}}));
}

}  // namespace comfy::attempts
