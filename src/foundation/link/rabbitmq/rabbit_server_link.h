// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/rabbitmq/broker_state.h"
#include "foundation/link/worker_link.h"

#include <memory>
#include <string>

namespace comfy::link {

/// Where a program finds its cluster.
struct RabbitOptions {
  std::string uri = {};
  std::string queue = "comfyui";  ///< the cluster's name
  std::string id = {};            ///< this process, unlike any other: letters, digits, -._
};

/// The worker's side over a broker: takes jobs of any server in the cluster. Its worker key changes
/// with every connection: "<id>.<connection>". The connection comes back by itself, for ever.
class RabbitServerLink : public ServerLink {
 public:
  virtual BrokerState state() const = 0;
};

/// Throws Error(invalid_input) for an address or name that is none.
std::unique_ptr<RabbitServerLink> make_rabbit_server_link(const RabbitOptions& options);

}  // namespace comfy::link
