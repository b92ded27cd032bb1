// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>
#include <string>

namespace comfy::broker_tests {

/// A private RabbitMQ node with a folder and ports of its own, started on construction and ended on
/// destruction (or when this process dies). See tests/broker/rabbitmq_node.
class BrokerNode {
 public:
  /// `settings`: lines for rabbitmq.conf. Throws Error(unavailable) when it does not start.
  explicit BrokerNode(const std::string& settings = {});
  ~BrokerNode();
  BrokerNode(const BrokerNode&) = delete;
  BrokerNode& operator=(const BrokerNode&) = delete;

  int port() const { return port_; }
  std::string uri(const std::string& user = "guest", const std::string& password = "guest") const;
  const std::filesystem::path& folder() const { return folder_; }

  /// kill -9; queues and messages that are on disk stay.
  void kill();
  /// Starts it again on the same port and returns once it listens.
  void start();
  /// What `rabbitmqctl words` prints. Takes a second or two. Throws Error(unavailable).
  std::string control(const std::string& words) const;

 private:
  std::string run(const std::string& command) const;
  std::filesystem::path folder_;
  int port_ = 0;
};

}  // namespace comfy::broker_tests
