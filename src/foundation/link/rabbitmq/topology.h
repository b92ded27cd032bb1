// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/rabbitmq/amqp_channel.h"
#include "foundation/link/worker_link.h"

#include <array>
#include <string>
#include <string_view>

namespace comfy::link {

/// Exchanges; all durable.
inline constexpr const char* kResults = "comfy.results";
inline constexpr const char* kLeases = "comfy.leases";
inline constexpr const char* kControl = "comfy.ctl";
inline constexpr const char* kEvents = "comfy.events";
inline constexpr const char* kPreviews = "comfy.previews";
inline constexpr const char* kDead = "comfy.dead";

/// In a worker's hello: how long it has had its queue, in milliseconds.
inline constexpr const char* kConnectedMs = "connected_ms";

/// Names of one cluster's objects on the broker: of its queue name, and of the store where one is
/// meant.
class Topology {
 public:
  /// Throws Error(invalid_input) unless the queue's name has 1 to 128 bytes of [A-Za-z0-9._-].
  explicit Topology(std::string queue);

  static constexpr std::array<Urgency, 3> kClasses{Urgency::high, Urgency::normal, Urgency::low};
  std::string jobs(Urgency urgency) const;
  std::string results(const std::string& store) const { return "comfy.results." + key(store); }
  std::string leases(const std::string& store) const { return "comfy.leases." + key(store); }
  /// A frontend's own, for as long as the broker's node is away on which the shared one lies.
  std::string own_leases(const std::string& frontend) const {
    return "comfy.leases." + queue_ + ".of." + frontend;
  }
  std::string dead() const { return "comfy.dead." + queue_; }
  std::string worker(const std::string& id) const { return worker_prefix() + id; }
  std::string events(const std::string& frontend) const {
    return "comfy.events." + queue_ + "." + frontend;
  }
  std::string previews(const std::string& frontend) const {
    return "comfy.previews." + queue_ + "." + frontend;
  }

  /// Routing keys.
  std::string key(const std::string& store) const { return queue_ + "." + store; }
  std::string key_of_all() const { return queue_ + ".all"; }
  std::string event_key(const std::string& store, const std::string& owner,
                        const std::string& prompt_id) const;

  /// The worker that reads this queue, or nothing when the name is no such queue's.
  std::string worker_of(std::string_view queue) const;

  /// What a frontend creates. Everything is accepted again as it is; an object of that name with
  /// other settings throws Error(conflict).
  /// Returns whether anybody consumes what is sent to this store. Without Leases::elsewhere it
  /// throws Error(unavailable) with `details` kLeasesAway while the node is away that has them.
  enum class Leases { shared, elsewhere };
  static constexpr const char* kLeasesAway = "leases_away";
  bool declare_shared(AmqpChannel& channel, const std::string& store, Leases leases) const;
  void declare_own_leases(AmqpChannel& channel, const std::string& store,
                          const std::string& frontend) const;
  void declare_frontend(AmqpChannel& channel, const std::string& frontend) const;
  /// A worker's own queue. What frontends create must be there: Error(not_found) until then.
  void declare_worker(AmqpChannel& channel, const std::string& id) const;

 private:
  bool declare_leases(AmqpChannel& channel, const std::string& store) const;
  std::string worker_prefix() const { return "comfy.worker." + queue_ + "."; }
  std::string queue_;
};

}  // namespace comfy::link
