// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/blocking_pool.h"
#include "frontend/server/settings.h"

namespace comfy {
class Clock;
class Random;
}  // namespace comfy

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
};

}  // namespace comfy::server
