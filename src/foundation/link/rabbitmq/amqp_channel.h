// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/rabbitmq/address.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace comfy::link {

/// Arguments of a declaration: whole numbers or text.
using AmqpArguments = std::vector<std::pair<std::string, std::variant<std::int64_t, std::string>>>;

/// A message as the broker carries it.
struct AmqpMessage {
  std::string exchange = {};
  std::string routing_key = {};
  std::string body = {};
  std::string content_type = {};
  std::string content_encoding = {};
  std::string type = {};
  std::string message_id = {};
  std::string correlation_id = {};
  std::string reply_to = {};
  std::string store = {};  ///< header x-comfy-store
  bool persistent = false;
  bool mandatory = false;  ///< comes back when no queue takes it
};

/// A message that a consumer got.
struct AmqpDelivery {
  std::string consumer = {};
  std::uint64_t tag = 0;
  bool redelivered = false;
  AmqpMessage message = {};
};

/// The broker has these publishes, up to `tag` when `multiple`, or refuses them.
struct AmqpConfirm {
  std::uint64_t tag = 0;
  bool multiple = false;
  bool accepted = true;
};

/// A mandatory message that no queue takes, named by its correlation id.
struct AmqpReturn {
  std::string correlation_id = {};
};

/// An alarm of the broker begins (its reason) or ends.
struct AmqpBlocked {
  bool blocked = false;
  std::string reason = {};
};

/// The broker took the jobs' channel away with all that was held there, as it does with one that
/// holds a message for too long. It is open again, without consumers.
struct AmqpLaneLost {
  std::string reason = {};
};

using AmqpEvent = std::variant<AmqpDelivery, AmqpConfirm, AmqpReturn, AmqpBlocked, AmqpLaneLost>;

/// One open connection to a broker with its channels, used by one thread alone.
///
/// Every call throws Error when the connection or channel is gone, which ends it for good:
/// not_found (404), forbidden (403), conflict (405, 406: an object of another kind has that name)
/// and unavailable for the rest, with `details` "timeout" where the broker did not answer.
class AmqpChannel {
 public:
  /// Connects and logs in, within five seconds for each. `name` is shown by the broker's tools.
  AmqpChannel(const BrokerAddress& address, const std::string& name);
  ~AmqpChannel();
  AmqpChannel(const AmqpChannel&) = delete;
  AmqpChannel& operator=(const AmqpChannel&) = delete;

  struct Queue {
    bool durable = false;
    bool exclusive = false;
    bool auto_delete = false;
  };
  void declare_exchange(const std::string& name, const char* type);
  /// Returns how many consume from it.
  std::size_t declare_queue(const std::string& name, const Queue& flags,
                            const AmqpArguments& arguments);
  /// With everything in it. Nothing happens when it is not there.
  void delete_queue(const std::string& name);
  /// Throws Error(not_found) when it is not there.
  void expect_exchange(const std::string& name);
  void expect_queue(const std::string& name);
  void bind(const std::string& queue, const std::string& exchange, const std::string& key);

  /// From here on publishes are confirmed, numbered from 1.
  void select_confirms();
  void publish(const AmqpMessage& message);

  /// Jobs travel on a channel of their own: what is fetched there never meets other deliveries.
  enum class Lane { main = 1, jobs = 2 };
  void limit_unacknowledged(Lane lane, int count);
  enum class Acknowledge { by_hand, never };
  /// Deliveries come from next(), under the name `consumer`.
  void consume(Lane lane, const std::string& queue, const std::string& consumer, Acknowledge how);
  void cancel(Lane lane, const std::string& consumer);
  /// One message of the queue, if there is one.
  std::optional<AmqpDelivery> fetch(Lane lane, const std::string& queue);
  void acknowledge(Lane lane, std::uint64_t tag);

  /// What has arrived; nothing when there is no more for now. Sends heartbeats when they are due.
  std::optional<AmqpEvent> next();
  /// Waits until something arrives, `wakeup` becomes readable, or the time is over.
  void wait(int wakeup, std::chrono::milliseconds patience);
  /// Says goodbye; errors are of no interest any more.
  void close();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace comfy::link
