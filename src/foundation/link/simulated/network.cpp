// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/simulated/network.h"

#include "foundation/base/error.h"
#include "foundation/link/frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace comfy::link {
namespace {

using namespace std::chrono_literals;

bool must_arrive(Type type) {
  return type == Type::hello || type == Type::claim || type == Type::finish ||
         type == Type::release;
}

}  // namespace

struct SimulatedNetwork::Connection {
  std::string worker;
  WorkerKey key;
  WorkerEnd* worker_end = nullptr;  // null once that end was destroyed
  bool open = true;
  bool worker_told = false;
  std::chrono::milliseconds last_to_server{0};
  std::chrono::milliseconds last_to_worker{0};
  std::uint64_t seq_to_server = 0;
  std::uint64_t seq_to_worker = 0;
};

class SimulatedNetwork::ServerEnd final : public WorkerLink {
 public:
  explicit ServerEnd(SimulatedNetwork& network) : network_{network} {}
  void start(WorkerListener& new_listener) override { listener = &new_listener; }
  void send(const WorkerKey& worker, Message message) override {
    if (const auto connection = network_.find(worker))
      network_.deliver(connection, std::move(message), false);
  }
  void kill(const WorkerKey& worker) override {
    const auto connection = network_.find(worker);
    if (connection && network_.on_kill_) network_.on_kill_(connection->worker);
  }
  void stop(std::chrono::milliseconds) override { listener = nullptr; }

  WorkerListener* listener = nullptr;

 private:
  SimulatedNetwork& network_;
};

class SimulatedNetwork::WorkerEnd final : public ServerLink {
 public:
  WorkerEnd(SimulatedNetwork& network, std::shared_ptr<Connection> connection)
      : network_{network}, connection_{std::move(connection)} {
    connection_->worker_end = this;
  }
  ~WorkerEnd() override { connection_->worker_end = nullptr; }
  void start(ServerListener& new_listener) override { listener = &new_listener; }
  void send(Message message) override { network_.deliver(connection_, std::move(message), true); }
  bool flush(std::chrono::milliseconds) override { return connection_->open; }

  ServerListener* listener = nullptr;

 private:
  SimulatedNetwork& network_;
  std::shared_ptr<Connection> connection_;
};

SimulatedNetwork::SimulatedNetwork(Scheduler& scheduler, NetworkFaults faults)
    : scheduler_{scheduler}, faults_{faults} {}
SimulatedNetwork::~SimulatedNetwork() = default;

WorkerLink& SimulatedNetwork::restart_server() {
  const auto old = connections_;
  server_ = std::make_unique<ServerEnd>(*this);
  for (const auto& [name, connection] : old) close(connection, {"server restarted", 0}, true);
  return *server_;
}

std::unique_ptr<ServerLink> SimulatedNetwork::connect(const std::string& worker) {
  if (!server_ || !server_->listener) return nullptr;
  cut(worker);
  auto connection = std::make_shared<Connection>();
  connection->worker = worker;
  connection->key = fmt::format("{}.{}", worker, ++connected_);
  connections_[worker] = connection;
  return std::make_unique<WorkerEnd>(*this, connection);
}

void SimulatedNetwork::cut(const std::string& worker) {
  const auto found = connections_.find(worker);
  if (found != connections_.end())
    close(std::shared_ptr{found->second}, {"connection lost", 0}, true);
}

void SimulatedNetwork::kill(const std::string& worker, WorkerExit exit) {
  const auto found = connections_.find(worker);
  if (found != connections_.end()) close(std::shared_ptr{found->second}, std::move(exit), false);
}

std::shared_ptr<SimulatedNetwork::Connection> SimulatedNetwork::find(const WorkerKey& key) {
  for (const auto& [name, connection] : connections_)
    if (connection->key == key) return connection;
  return nullptr;
}

void SimulatedNetwork::close(const std::shared_ptr<Connection>& connection, WorkerExit exit,
                             bool tell_worker) {
  if (!connection->open) return;
  connection->open = false;
  if (connections_[connection->worker] == connection) connections_.erase(connection->worker);
  // Last words that are on their way still arrive before the news.
  const auto notice = std::max(connection->last_to_server,
                               scheduler_.now() + scheduler_.between(0ms, 5 * faults_.max_delay));
  ServerEnd* server = server_.get();
  scheduler_.at(notice, [this, server, connection, exit = std::move(exit)] {
    if (server_.get() == server && server->listener)
      server->listener->on_worker_lost(connection->key, exit);
  });
  if (!tell_worker) return;
  scheduler_.after(scheduler_.between(0ms, 5 * faults_.max_delay), [connection] {
    if (connection->worker_end && connection->worker_end->listener && !connection->worker_told) {
      connection->worker_told = true;
      connection->worker_end->listener->on_server_lost();
    }
  });
}

void SimulatedNetwork::deliver(const std::shared_ptr<Connection>& connection, Message message,
                               bool to_server) {
  if (!connection->open) return;
  if (!must_arrive(message.type) && scheduler_.chance(faults_.drop)) {
    ++dropped_;
    return;
  }
  message.seq = ++(to_server ? connection->seq_to_server : connection->seq_to_worker);
  const std::string frame = encode_frame(message);
  auto& last = to_server ? connection->last_to_server : connection->last_to_worker;
  const int copies = must_arrive(message.type) && scheduler_.chance(faults_.duplicate) ? 2 : 1;
  ServerEnd* server = server_.get();
  for (int copy = 0; copy < copies; ++copy) {
    last = std::max(last, scheduler_.now() + scheduler_.between(0ms, faults_.max_delay));
    scheduler_.at(last, [this, server, connection, frame, to_server] {
      FrameReader reader;
      reader.feed(frame);
      std::optional<Message> received = reader.next();
      if (!received) return;
      if (to_server) {
        // What was sent before a cut may still arrive, as it does from a broker's queue.
        if (server_.get() == server && server->listener)
          server->listener->on_message(connection->key, std::move(*received));
      } else if (connection->open && connection->worker_end && connection->worker_end->listener) {
        connection->worker_end->listener->on_message(std::move(*received));
      }
    });
  }
}

}  // namespace comfy::link
