// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/simulated/scheduler.h"
#include "foundation/link/worker_link.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace comfy::link {

/// What goes wrong, as probabilities per message.
struct NetworkFaults {
  std::chrono::milliseconds max_delay{20};
  double duplicate = 0;  ///< a message that must arrive arrives twice (its confirm was dropped)
  double drop = 0;       ///< a transient message is lost
};

/// A network in memory between one server and any number of workers.
///
/// Messages of one sender to one receiver keep their order; those of different senders do not.
/// Transient messages (all but hello, claim, finish and release) may be dropped; the others may
/// come twice. Everything passes through the frame codec, as it would on a wire.
class SimulatedNetwork {
 public:
  explicit SimulatedNetwork(Scheduler& scheduler, NetworkFaults faults = {});
  ~SimulatedNetwork();

  /// The server's end. It lives until the next call, which stands for a restarted server: all
  /// connections are cut then.
  WorkerLink& restart_server();
  /// A worker's new connection; its older one is cut. Nothing while no server listens.
  std::unique_ptr<ServerLink> connect(const std::string& worker);
  /// Both sides are told after a while, each in its own time.
  void cut(const std::string& worker);
  /// The worker's process is gone: nothing it had not sent is sent, its own end hears nothing.
  void kill(const std::string& worker, WorkerExit exit);
  /// How many messages of unknown type were passed over.
  std::uint64_t dropped() const { return dropped_; }
  /// No fault from here on: the world is given the chance to come to rest.
  void calm() { faults_ = {.max_delay = faults_.max_delay}; }
  /// Called when the server asks for a worker's end, with the worker's name.
  void on_kill(std::function<void(const std::string&)> handler) { on_kill_ = std::move(handler); }

 private:
  class ServerEnd;
  class WorkerEnd;
  struct Connection;

  void deliver(const std::shared_ptr<Connection>& connection, Message message, bool to_server);
  void close(const std::shared_ptr<Connection>& connection, WorkerExit exit, bool tell_worker);
  std::shared_ptr<Connection> find(const WorkerKey& key);

  Scheduler& scheduler_;
  NetworkFaults faults_;
  std::unique_ptr<ServerEnd> server_;
  std::map<std::string, std::shared_ptr<Connection>> connections_;  // by worker name
  std::uint64_t connected_ = 0;
  std::uint64_t dropped_ = 0;
  std::function<void(const std::string&)> on_kill_;
};

}  // namespace comfy::link
