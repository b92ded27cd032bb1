// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

#include <cstdint>
#include <string>

namespace comfy::link {

/// How a program stands with its broker, for /readyz and metrics.
struct BrokerState {
  std::string address = {};  ///< without user and password
  bool connected = false;
  /// The broker raised an alarm (memory or disk) and takes nothing, or does not read any more.
  bool blocked = false;
  std::string trouble = {};     ///< why it is not connected or blocked; empty when all is well
  std::uint64_t connects = 0;   ///< how often a connection came up
  std::uint64_t published = 0;  ///< messages handed to the broker
  std::uint64_t confirmed = 0;
  std::uint64_t returned = 0;  ///< came back: nobody there
  std::uint64_t refused = 0;   ///< a full queue
  std::uint64_t received = 0;
  std::uint64_t garbage = 0;  ///< messages that could not be read, and were passed over
};

/// As /readyz shows it.
inline Json to_json(const BrokerState& broker) {
  return Json::Object{
      {"connected", broker.connected}, {"blocked", broker.blocked}, {"detail", broker.trouble}};
}

}  // namespace comfy::link
