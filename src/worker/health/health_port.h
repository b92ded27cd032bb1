// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace comfy::health {

/// How a program is, as /readyz tells it.
struct Report {
  bool ready = false;
  Json::Object parts = {};  ///< what readiness is made of, each named
};

/// A number that GET /metrics shows.
struct Figure {
  std::string name = {};
  std::string help = {};
  enum class Kind { gauge, counter } kind = Kind::counter;
  std::uint64_t value = 0;
};

/// A small HTTP server by which a program without a web page is watched: GET /healthz answers 200
/// while its thread runs, GET /readyz 200 or 503 with the report, GET /metrics the figures in
/// the words of Prometheus. It reads nothing of a request but its first line, keeps no connection,
/// and has a thread of its own.
class HealthPort {
 public:
  /// Binds at once; 0 takes a free port. addresses: numeric, at least one.
  /// Throws Error(invalid_input) for what is no address, Error(unavailable) when one is taken.
  HealthPort(const std::vector<std::string>& addresses, std::uint16_t port);
  ~HealthPort();
  HealthPort(const HealthPort&) = delete;
  HealthPort& operator=(const HealthPort&) = delete;

  std::uint16_t port() const;
  /// Answers from here on. Both are called from the port's thread.
  void serve(std::function<Report()> report, std::function<std::vector<Figure>()> figures);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace comfy::health
