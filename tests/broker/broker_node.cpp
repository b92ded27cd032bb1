// SPDX-License-Identifier: GPL-3.0-or-later
#include "broker_node.h"

#include "foundation/base/error.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>

namespace comfy::broker_tests {
namespace {

std::filesystem::path new_folder() {
  std::string name = std::filesystem::temp_directory_path() / "comfy-broker-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr)
    throw Error(Error::Kind::unavailable, "no temporary folder is to be had");
  return name;
}

struct ClosePipe {
  void operator()(FILE* pipe) const { ::pclose(pipe); }
};

}  // namespace

BrokerNode::BrokerNode(const std::string& settings) : folder_{new_folder()} {
  if (!settings.empty()) std::ofstream{folder_ / "extra.conf"} << settings;
  start();
}

BrokerNode::~BrokerNode() {
  try {
    run(fmt::format("stop {}", folder_.string()));
  } catch (const Error&) {
    // Its guard ends it with this process.
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string BrokerNode::uri(const std::string& user, const std::string& password) const {
  return fmt::format("amqp://{}:{}@127.0.0.1:{}", user, password, port_);
}

void BrokerNode::kill() { run(fmt::format("kill {}", folder_.string())); }

void BrokerNode::start() {
  port_ = std::stoi(run(fmt::format("start {} {}", folder_.string(), ::getpid())));
}

std::string BrokerNode::control(const std::string& words) const {
  return run(fmt::format("ctl {} {}", folder_.string(), words));
}

std::string BrokerNode::run(const std::string& command) const {
  const std::string line = fmt::format("tests/broker/rabbitmq_node {}", command);
  std::unique_ptr<FILE, ClosePipe> pipe{::popen(line.c_str(), "re")};
  if (!pipe) throw Error(Error::Kind::unavailable, "no shell is to be had");
  std::string printed;
  std::array<char, 4096> chunk{};
  while (const std::size_t got = std::fread(chunk.data(), 1, chunk.size(), pipe.get()))
    printed.append(chunk.data(), got);
  if (::pclose(pipe.release()) != 0)
    throw Error(Error::Kind::unavailable, fmt::format("\"{}\" went wrong", line));
  return printed;
}

}  // namespace comfy::broker_tests
