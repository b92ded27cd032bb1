// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/rabbitmq/amqp_connection.h"

#include "foundation/base/error.h"
#include "foundation/link/log.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <random>
#include <utility>

namespace comfy::link {
namespace {

using namespace std::chrono_literals;

// Before the next node of a broker is tried: what is sent to a queue whose leader has just died
// lies for ten seconds in RabbitMQ 3.10, unless another leader was found by then.
constexpr auto kElection = 2s;
constexpr std::size_t kLongestName = 255;
constexpr auto kFirstPause = 100ms;
constexpr auto kLongestPause = 5000ms;
constexpr auto kTurn = 500ms;
constexpr auto kConfirmPatience = 5s;
// A thread that hangs this long in a write has a broker that does not read.
constexpr auto kStuck = 3s;
// A connection that ends sooner is as good as none.
constexpr auto kLasting = 5s;
// Little enough that what the broker does not read fits into the socket's buffers.
constexpr std::size_t kUnconfirmedMessages = 256;
constexpr std::size_t kUnconfirmedBytes = 1U << 20;
// Beyond these, messages that nobody keeps are dropped, oldest first.
constexpr std::size_t kWaitingMessages = 4096;

std::chrono::milliseconds jittered(std::chrono::milliseconds pause) {
  thread_local std::minstd_rand random{std::random_device{}()};
  std::uniform_real_distribution<double> factor{0.8, 1.2};
  return std::chrono::milliseconds{
      static_cast<long long>(static_cast<double>(pause.count()) * factor(random))};
}

/// AMQP's short texts. One that is too long ends the connection, and would again after each new one
/// as long as it is kept.
bool can_be_sent(const AmqpMessage& message) {
  const auto fits = [](const std::string* text) { return text->size() <= kLongestName; };
  const auto texts = {&message.exchange,         &message.routing_key, &message.content_type,
                      &message.content_encoding, &message.type,        &message.message_id,
                      &message.correlation_id,   &message.reply_to};
  return std::ranges::all_of(texts, fits);
}

}  // namespace

AmqpConnection::AmqpConnection(BrokerAddresses addresses, std::string name, Confirms confirms,
                               Hooks hooks)
    : addresses_{std::move(addresses)},
      name_{std::move(name)},
      confirms_{confirms},
      hooks_{std::move(hooks)} {
  state_.address = address().shown();
  state_.trouble = "not connected yet";
}

AmqpConnection::~AmqpConnection() { stop(0ms); }

void AmqpConnection::start() {
  thread_ = std::thread{[this] { run(); }};
}

void AmqpConnection::stop(std::chrono::milliseconds patience) {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock{mutex_};
    stop_at_ = Steady::now() + patience;
  }
  wakeup_.signal();
  thread_.join();
}

void AmqpConnection::publish(Publication publication) {
  {
    const std::lock_guard lock{mutex_};
    const bool sendable = can_be_sent(publication.message);
    if (!sendable)
      log.warn("a message with a name of more than {} bytes is not sent", kLongestName);
    if (!sendable || (!publication.keep && !up_)) {
      give_up(std::move(publication));
    } else {
      if (!publication.replaces.empty())
        std::erase_if(outgoing_, [&](const Publication& waiting) {
          return waiting.replaces == publication.replaces;
        });
      outgoing_.push_back(std::move(publication));
      if (outgoing_.size() > kWaitingMessages) {
        const auto oldest = std::find_if(outgoing_.begin(), outgoing_.end(),
                                         [](const Publication& waiting) { return !waiting.keep; });
        if (oldest != outgoing_.end()) {
          give_up(std::move(*oldest));
          outgoing_.erase(oldest);
        }
      }
    }
  }
  wakeup_.signal();
}

void AmqpConnection::give_up(Publication publication) {
  if (publication.done) given_up_.push_back(std::move(publication.done));
}

/// From the connection's thread, as all answers: who publishes may hold locks.
void AmqpConnection::tell_given_up() {
  std::vector<std::function<void(Published)>> given_up;
  {
    const std::lock_guard lock{mutex_};
    given_up.swap(given_up_);
  }
  for (const auto& done : given_up) done(Published::unknown);
}

void AmqpConnection::post(std::function<void(AmqpChannel&)> task,
                          std::optional<std::uint64_t> epoch) {
  {
    const std::lock_guard lock{mutex_};
    tasks_.push_back({std::move(task), epoch});
  }
  wakeup_.signal();
}

bool AmqpConnection::flush(std::chrono::milliseconds patience) {
  std::unique_lock lock{mutex_};
  return quiet_.wait_for(lock, patience, [this] { return outgoing_.empty() && unconfirmed_ == 0; });
}

BrokerState AmqpConnection::state() const {
  const std::lock_guard lock{mutex_};
  BrokerState state = state_;
  state.connected = up_;
  if (up_ && !state.blocked && Steady::now() - turned_ > kStuck) {
    state.blocked = true;
    state.trouble = "the broker does not read what is sent to it";
  }
  return state;
}

bool AmqpConnection::done_stopping() const {
  const std::lock_guard lock{mutex_};
  if (!stop_at_) return false;
  return Steady::now() >= *stop_at_ || (outgoing_.empty() && unconfirmed_ == 0 && tasks_.empty());
}

void AmqpConnection::run() {
  auto wait = std::chrono::milliseconds{kFirstPause};
  std::size_t failures = 0;
  while (!done_stopping()) {
    std::string reason = "this program ends";
    std::optional<Steady::time_point> up_since;
    try {
      AmqpChannel channel{address(), name_};
      if (confirms_ == Confirms::on) channel.select_confirms();
      if (hooks_.set_up) hooks_.set_up(channel);
      went_up();
      up_since = Steady::now();
      failures = 0;
      serve(channel);
      channel.close();
    } catch (const Error& error) {
      reason = error.message;
      if (hooks_.on_trouble) hooks_.on_trouble(error);
    }
    if (up_since && Steady::now() - *up_since > kLasting) wait = kFirstPause;
    went_down(reason);
    if (done_stopping()) break;
    at_ = (at_ + 1) % addresses_.size();
    if (up_since && addresses_.size() > 1) pause(kElection);
    // There is time to breathe once all of them have been tried.
    if (++failures % addresses_.size() != 0) continue;
    pause(jittered(wait));
    wait = std::min(wait * 2, std::chrono::milliseconds{kLongestPause});
  }
}

void AmqpConnection::pause(std::chrono::milliseconds time) {
  const auto until = Steady::now() + time;
  while (true) {
    {
      const std::lock_guard lock{mutex_};
      if (stop_at_) return;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Steady::now());
    if (left <= 0ms) return;
    pollfd polled{wakeup_.descriptor(), POLLIN, 0};
    ::poll(&polled, 1, static_cast<int>(left.count()));
    wakeup_.clear();
  }
}

void AmqpConnection::went_up() {
  ++epoch_;
  {
    const std::lock_guard lock{mutex_};
    state_.address = address().shown();
    state_.trouble.clear();
    state_.blocked = false;
    ++state_.connects;
    turned_ = Steady::now();
    up_ = true;
  }
  log.info("{} is connected to {}", name_, address().shown());
  if (hooks_.on_up) hooks_.on_up();
}

void AmqpConnection::went_down(const std::string& reason) {
  const bool was_up = up_.exchange(false);
  {
    const std::lock_guard lock{mutex_};
    state_.trouble = reason;
    state_.blocked = false;
    for (auto& [tag, pending] : pending_)
      if (pending.publication.keep && !pending.returned) {
        outgoing_.push_front(std::move(pending.publication));
      } else {
        give_up(std::move(pending.publication));
      }
    std::deque<Publication> kept;
    for (Publication& publication : outgoing_)
      (publication.keep ? static_cast<void>(kept.push_back(std::move(publication)))
                        : give_up(std::move(publication)));
    outgoing_.swap(kept);
    tasks_.clear();
    unconfirmed_ = 0;
  }
  pending_.clear();
  pending_bytes_ = 0;
  last_tag_ = 0;
  quiet_.notify_all();
  tell_given_up();
  if (was_up && hooks_.on_down) hooks_.on_down();
}

void AmqpConnection::serve(AmqpChannel& channel) {
  auto next_tick = Steady::now();
  while (!done_stopping()) {
    {
      const std::lock_guard lock{mutex_};
      turned_ = Steady::now();
    }
    wakeup_.clear();
    while (std::optional<AmqpEvent> event = channel.next()) handle(channel, *std::move(event));
    run_tasks(channel);
    publish_some(channel);
    expire_confirms();
    if (hooks_.on_tick && Steady::now() >= next_tick) {
      next_tick = Steady::now() + kTurn;
      hooks_.on_tick(channel);
    }
    channel.wait(wakeup_.descriptor(), has_work() ? 0ms : kTurn);
  }
}

bool AmqpConnection::has_work() const {
  const std::lock_guard lock{mutex_};
  return !tasks_.empty() || (!outgoing_.empty() && pending_.size() < kUnconfirmedMessages &&
                             pending_bytes_ < kUnconfirmedBytes && !state_.blocked);
}

void AmqpConnection::run_tasks(AmqpChannel& channel) {
  tell_given_up();
  std::deque<Task> tasks;
  {
    const std::lock_guard lock{mutex_};
    tasks.swap(tasks_);
  }
  for (const Task& task : tasks)
    if (!task.epoch || *task.epoch == epoch_) task.run(channel);
}

void AmqpConnection::publish_some(AmqpChannel& channel) {
  // A few at a time, so that what arrives is read in between.
  for (int count = 0; count < 32; ++count) {
    if (pending_.size() >= kUnconfirmedMessages || pending_bytes_ >= kUnconfirmedBytes) return;
    Publication publication;
    {
      const std::lock_guard lock{mutex_};
      if (outgoing_.empty() || state_.blocked) return;
      publication = std::move(outgoing_.front());
      outgoing_.pop_front();
      ++unconfirmed_;
      ++state_.published;
    }
    const std::uint64_t tag = ++last_tag_;
    publication.message.correlation_id = std::to_string(tag);
    pending_bytes_ += publication.message.body.size();
    Pending& pending = pending_[tag];
    pending = {std::move(publication), Steady::now()};
    channel.publish(pending.publication.message);
    if (confirms_ == Confirms::off) settle(pending_.find(tag), Published::confirmed);
  }
}

void AmqpConnection::handle(AmqpChannel& channel, AmqpEvent event) {
  if (auto* delivery = std::get_if<AmqpDelivery>(&event)) {
    {
      const std::lock_guard lock{mutex_};
      ++state_.received;
    }
    if (hooks_.on_delivery) hooks_.on_delivery(std::move(*delivery));
  } else if (const auto* confirm = std::get_if<AmqpConfirm>(&event)) {
    on_confirm(*confirm);
  } else if (const auto* returned = std::get_if<AmqpReturn>(&event)) {
    on_return(*returned);
  } else if (const auto* blocked = std::get_if<AmqpBlocked>(&event)) {
    on_blocked(*blocked);
  } else if (const auto* lost = std::get_if<AmqpLaneLost>(&event)) {
    if (hooks_.on_lane_lost) hooks_.on_lane_lost(channel, lost->reason);
  }
}

void AmqpConnection::on_return(const AmqpReturn& returned) {
  // The confirm that follows says only that the broker has dealt with it.
  std::uint64_t tag = 0;
  try {
    tag = std::stoull(returned.correlation_id);
  } catch (const std::exception&) {
    return;
  }
  const auto found = pending_.find(tag);
  if (found != pending_.end()) found->second.returned = true;
}

void AmqpConnection::on_blocked(const AmqpBlocked& blocked) {
  {
    const std::lock_guard lock{mutex_};
    state_.blocked = blocked.blocked;
    state_.trouble = blocked.reason;
  }
  if (blocked.blocked) {
    log.warn("{} takes nothing for now: {}", address().shown(), blocked.reason);
  } else {
    log.info("{} takes messages again", address().shown());
  }
}

void AmqpConnection::on_confirm(const AmqpConfirm& confirm) {
  const auto result = [&](const Pending& pending) {
    if (!confirm.accepted) return Published::refused;
    return pending.returned ? Published::returned : Published::confirmed;
  };
  if (!confirm.multiple) {
    const auto found = pending_.find(confirm.tag);
    if (found != pending_.end()) settle(found, result(found->second));
    return;
  }
  while (!pending_.empty() && pending_.begin()->first <= confirm.tag)
    settle(pending_.begin(), result(pending_.begin()->second));
}

void AmqpConnection::settle(std::map<std::uint64_t, Pending>::iterator pending, Published result) {
  Publication publication = std::move(pending->second.publication);
  pending_.erase(pending);
  pending_bytes_ -= publication.message.body.size();
  {
    const std::lock_guard lock{mutex_};
    --unconfirmed_;
    if (result == Published::confirmed) ++state_.confirmed;
    if (result == Published::returned) ++state_.returned;
    if (result == Published::refused) ++state_.refused;
    const bool again = publication.keep && result == Published::unknown;
    if (again) outgoing_.push_back(std::move(publication));
    if (again) return;
  }
  quiet_.notify_all();
  if (publication.done) publication.done(result);
}

void AmqpConnection::expire_confirms() {
  {
    const std::lock_guard lock{mutex_};
    if (state_.blocked) return;  // it answers when its alarm is over
  }
  const auto due = Steady::now() - kConfirmPatience;
  while (!pending_.empty() && pending_.begin()->second.sent < due)
    settle(pending_.begin(), Published::unknown);
}

}  // namespace comfy::link
