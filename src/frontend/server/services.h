// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/rabbitmq/broker_state.h"
#include "frontend/server/blocking_pool.h"
#include "frontend/server/settings.h"

#include <functional>

namespace comfy {
class Clock;
class Random;
}  // namespace comfy

namespace comfy::access {
class Audit;
class Gate;
}  // namespace comfy::access

namespace comfy::jobs {
class Jobs;
}

namespace comfy::paths {
class Folders;
}

namespace comfy::server {

class CatalogueStore;
struct FileState;
class LogRing;
class Metrics;
class Sessions;

/// What handlers work with. main builds it; it outlives every connection.
struct Services {
  const Settings& settings;
  jobs::Jobs& jobs;
  paths::Folders& folders;  ///< roots, model folders, the resolver
  CatalogueStore& catalogue;
  Sessions& sessions;
  LogRing& logs;
  BlockingPool& blocking;
  const Clock& clock;
  Random& random;
  FileState& files;  ///< of the routes in files/
  Metrics& metrics;
  access::Gate& gate;
  access::Audit& audit;
  /// How the broker is doing; not set where workers are this program's own children.
  std::function<link::BrokerState()> broker = {};
};

}  // namespace comfy::server
