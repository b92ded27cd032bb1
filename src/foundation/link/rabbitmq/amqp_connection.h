// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/error.h"
#include "foundation/link/rabbitmq/amqp_channel.h"
#include "foundation/link/rabbitmq/broker_state.h"
#include "foundation/link/socket/channel.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace comfy::link {

/// What became of a publish.
enum class Published {
  confirmed,
  returned,  ///< no queue takes it: nobody is there
  refused,   ///< the queue is full
  unknown    ///< no answer in five seconds, or no connection
};

/// A message on its way out.
struct Publication {
  AmqpMessage message = {};
  /// Waits for a connection and for its confirm as long as that takes; all others are given up
  /// with the connection, as their senders repeat them.
  bool keep = false;
  /// Of several that wait under this name only the newest is sent.
  std::string replaces = {};
  std::function<void(Published)> done = {};  ///< called from the connection's thread
};

/// A connection to the broker with a thread of its own, which never gives up: after 0.1 s, then
/// twice as long each time up to 5 s (20 % jitter), it connects again. One that lasted begins anew
/// with 0.1 s.
///
/// All calls return at once and may come from any thread.
class AmqpConnection {
 public:
  struct Hooks {
    /// Declares, binds and consumes on a fresh connection. What it throws ends the connection.
    std::function<void(AmqpChannel&)> set_up = {};
    std::function<void()> on_up = {};
    std::function<void()> on_down = {};
    std::function<void(AmqpDelivery)> on_delivery = {};
    /// The jobs' channel is a new one: nothing is held or consumed there any more.
    std::function<void(AmqpChannel&, const std::string& reason)> on_lane_lost = {};
    /// Called every half second or more often while connected.
    std::function<void(AmqpChannel&)> on_tick = {};
    /// Why there is no connection, or no more; connecting goes on.
    std::function<void(const Error&)> on_trouble = {};
  };
  enum class Confirms { on, off };

  /// addresses: tried in turn, beginning with the one that worked last.
  AmqpConnection(BrokerAddresses addresses, std::string name, Confirms confirms, Hooks hooks);
  ~AmqpConnection();
  AmqpConnection(const AmqpConnection&) = delete;
  AmqpConnection& operator=(const AmqpConnection&) = delete;

  void start();
  /// Hands over what waits, for at most `patience`, and ends the thread.
  void stop(std::chrono::milliseconds patience);

  void publish(Publication publication);
  /// Runs on the connection's thread; forgotten when there is no connection, or when it is not the
  /// one named by `epoch` any more.
  void post(std::function<void(AmqpChannel&)> task, std::optional<std::uint64_t> epoch = {});
  /// Counts connections: delivery tags are good for one of them.
  std::uint64_t epoch() const { return epoch_; }
  bool is_up() const { return up_; }
  /// Waits until everything is handed over and confirmed.
  bool flush(std::chrono::milliseconds patience);

  BrokerState state() const;

 private:
  using Steady = std::chrono::steady_clock;
  struct Task {
    std::function<void(AmqpChannel&)> run;
    std::optional<std::uint64_t> epoch;
  };
  struct Pending {
    Publication publication;
    Steady::time_point sent;
    bool returned = false;
  };

  void run();
  void serve(AmqpChannel& channel);
  void run_tasks(AmqpChannel& channel);
  /// With the mutex held.
  void give_up(Publication publication);
  void tell_given_up();
  void publish_some(AmqpChannel& channel);
  void handle(AmqpChannel& channel, AmqpEvent event);
  void on_return(const AmqpReturn& returned);
  void on_blocked(const AmqpBlocked& blocked);
  void on_confirm(const AmqpConfirm& confirm);
  void settle(std::map<std::uint64_t, Pending>::iterator pending, Published result);
  void expire_confirms();
  void went_up();
  void went_down(const std::string& reason);
  void pause(std::chrono::milliseconds time);
  bool has_work() const;
  const BrokerAddress& address() const { return addresses_[at_]; }
  bool done_stopping() const;

  const BrokerAddresses addresses_;
  const std::string name_;
  const Confirms confirms_;
  const Hooks hooks_;

  Wakeup wakeup_;
  std::atomic<bool> up_{false};
  std::atomic<std::uint64_t> epoch_{0};

  mutable std::mutex mutex_;
  std::condition_variable quiet_;
  std::deque<Publication> outgoing_;
  std::deque<Task> tasks_;
  std::vector<std::function<void(Published)>> given_up_;  // who is still to be told
  std::optional<Steady::time_point> stop_at_;
  BrokerState state_;
  Steady::time_point turned_{};  // when the thread last came round
  std::size_t unconfirmed_ = 0;

  // The thread's alone.
  std::map<std::uint64_t, Pending> pending_;
  std::uint64_t last_tag_ = 0;
  std::size_t pending_bytes_ = 0;
  std::size_t at_ = 0;  // of the addresses
  std::thread thread_;
};

}  // namespace comfy::link
