// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/simulated/network.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace comfy::link {
namespace {

struct Server : WorkerListener {
  void on_message(const WorkerKey& worker, Message message) override {
    heard.push_back(worker + ":" + std::string{type_name(message.type)} + message.prompt_id);
  }
  void on_worker_lost(const WorkerKey& worker, const WorkerExit& exit) override {
    heard.push_back(worker + " lost: " + exit.reason);
  }
  std::vector<std::string> heard;
};

struct Worker : ServerListener {
  void on_message(Message message) override { heard.emplace_back(type_name(message.type)); }
  void on_server_lost() override { heard.emplace_back("lost"); }
  std::vector<std::string> heard;
};

Message claim(const std::string& prompt) {
  Message message;
  message.type = Type::claim;
  message.prompt_id = prompt;
  return message;
}

std::vector<std::string> run(std::uint64_t seed, NetworkFaults faults) {
  Scheduler scheduler{seed};
  SimulatedNetwork network{scheduler, faults};
  Server server;
  network.restart_server().start(server);
  Worker worker;
  const auto a = network.connect("a");
  const auto b = network.connect("b");
  a->start(worker);
  b->start(worker);
  for (int i = 0; i < 5; ++i) {
    a->send(claim(std::to_string(i)));
    b->send(claim(std::to_string(i)));
  }
  while (scheduler.step()) {
  }
  return server.heard;
}

TEST(SimulatedNetwork, KeepsTheOrderOfOneSenderAndRepeatsItselfForASeed) {
  const auto heard = run(1, {});
  ASSERT_EQ(heard.size(), 10u);
  std::string from_a;
  for (const std::string& line : heard)
    if (line.starts_with("a.")) from_a += line.back();
  EXPECT_EQ(from_a, "01234");
  EXPECT_EQ(heard, run(1, {}));
  std::set<std::vector<std::string>> courses;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) courses.insert(run(seed, {}));
  EXPECT_GT(courses.size(), 5u) << "different seeds must lead to different courses";
}

TEST(SimulatedNetwork, RepeatsWhatMustArriveAndNeverDropsIt) {
  EXPECT_EQ(run(1, {.duplicate = 1, .drop = 1}).size(), 20u);
}

TEST(SimulatedNetwork, TellsBothSidesOfACut) {
  Scheduler scheduler{3};
  SimulatedNetwork network{scheduler};
  Server server;
  network.restart_server().start(server);
  Worker worker;
  const auto end = network.connect("a");
  end->start(worker);
  end->send(claim("1"));
  network.cut("a");
  end->send(claim("2"));
  while (scheduler.step()) {
  }
  EXPECT_EQ(server.heard, (std::vector<std::string>{"a.1:claim1", "a.1 lost: connection lost"}));
  EXPECT_EQ(worker.heard, (std::vector<std::string>{"lost"}));
}

TEST(SimulatedNetwork, TellsTheSignalOfAWorkersDeath) {
  Scheduler scheduler{3};
  SimulatedNetwork network{scheduler};
  Server server;
  network.restart_server().start(server);
  Worker worker;
  const auto end = network.connect("a");
  end->start(worker);
  network.kill("a", {"signal 11, SIGSEGV", 11});
  while (scheduler.step()) {
  }
  EXPECT_EQ(server.heard, (std::vector<std::string>{"a.1 lost: signal 11, SIGSEGV"}));
  EXPECT_TRUE(worker.heard.empty());
}

}  // namespace
}  // namespace comfy::link
