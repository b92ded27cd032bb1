// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/rabbitmq/rabbit_server_link.h"

#include <functional>

namespace comfy::link {

/// The server's side over a broker: all workers of a cluster, which other servers may share.
class RabbitWorkerLink : public WorkerLink {
 public:
  virtual BrokerState state() const = 0;
};

struct RabbitFrontendOptions {
  RabbitOptions broker = {};
  std::string store = {};  ///< names this server's own jobs and results on the broker
  /// At the first connection an object of the broker has our name and other settings: nothing will
  /// work until it is gone.
  std::function<void(const std::string& message)> on_conflict = {};
};

/// Throws Error(invalid_input) for an address or name that is none.
std::unique_ptr<RabbitWorkerLink> make_rabbit_worker_link(RabbitFrontendOptions options);

}  // namespace comfy::link
