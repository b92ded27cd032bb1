// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/rabbitmq/broker_state.h"
#include "frontend/server/request.h"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace comfy::jobs {
struct Counts;
}

namespace comfy::server {

/// What this server counted of its requests, and what it tells of itself, in the words of
/// Prometheus. Safe from several threads.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// Counts an answered request. `route` is the pattern of its row (so that the number of series
  /// stays small), or what stands for all without one.
  void count(Method method, std::string_view route, unsigned status,
             std::chrono::steady_clock::duration took);

  /// Things that are read off when somebody asks.
  struct Now {
    const jobs::Counts& jobs;
    std::size_t unplaced = 0;  ///< of the prompts that wait
    std::size_t sockets = 0;
    std::uint64_t sockets_dropped = 0;  ///< closed since they did not read
    std::optional<link::BrokerState> broker = {};
  };
  /// Everything in the text format of Prometheus (version 0.0.4).
  std::string text(const Now& now) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace comfy::server
