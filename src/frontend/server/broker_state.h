// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

namespace comfy::server {

/// What the broker between this server and its workers is doing, for /readyz and /metrics.
struct BrokerState {
  bool connected = false;
  bool blocked = false;     ///< it takes no messages: its memory or its disk is spent
  std::string detail = {};  ///< for people: "reconnecting since 12 s"
};

}  // namespace comfy::server
