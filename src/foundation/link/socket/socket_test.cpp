// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/link/bodies.h"
#include "foundation/link/socket/channel.h"
#include "foundation/link/socket/child_link.h"
#include "foundation/link/socket/socket_server_link.h"
#include "foundation/link/socket/spawn.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

namespace comfy::link {
namespace {

using namespace std::chrono_literals;

/// Collects what a listener hears, from another thread.
class Heard {
 public:
  void add(std::string line) {
    const std::lock_guard lock{mutex_};
    lines_.push_back(std::move(line));
    changed_.notify_all();
  }
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, 10s, [&] { return lines_.size() >= count; });
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

struct Server : WorkerListener {
  void on_message(const WorkerKey& worker, Message message) override {
    heard.add(worker + ":" + std::string{type_name(message.type)});
  }
  void on_worker_lost(const WorkerKey& worker, const WorkerExit& exit) override {
    heard.add(worker + " lost: " + exit.reason);
  }
  Heard heard;
};

struct Worker : ServerListener {
  void on_message(Message message) override { heard.add(std::string{type_name(message.type)}); }
  void on_server_lost() override { heard.add("lost"); }
  Heard heard;
};

Message plain(Type type) {
  Message message;
  message.type = type;
  return message;
}

TEST(Channel, KeepsTheNewestPreviewOfAPromptAndEveryEvent) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Channel sender{ends[0]};
  Channel receiver{ends[1]};
  for (const char* text : {"old", "new"}) {
    sender.queue(to_message(Preview{.id = {"p", 1, "t"}, .bytes = text}));
    sender.queue(to_message(Preview{.id = {"p", 1, "t"}, .keep = true, .bytes = text}));
    sender.queue(to_message(Event{.id = {"p", 1, "t"}, .name = text}));
  }
  EXPECT_TRUE(sender.waiting());
  EXPECT_TRUE(sender.write_some());
  EXPECT_FALSE(sender.waiting());
  EXPECT_TRUE(receiver.read_some());
  std::string order;
  while (const auto message = receiver.next()) {
    order += message->type == Type::event ? "event "
             : is_replaceable(*message)   ? "preview "
                                          : "kept ";
  }
  EXPECT_EQ(order, "kept event preview kept event ");
}

TEST(Channel, WaitsForASlowReader) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Channel sender{ends[0]};
  Channel receiver{ends[1]};
  Message go = plain(Type::go);
  go.binary = std::string(4'000'000, 'x');
  sender.queue(go);
  EXPECT_TRUE(sender.write_some());
  EXPECT_TRUE(sender.waiting());
  std::optional<Message> received;
  while (!received) {
    ASSERT_TRUE(sender.write_some());
    ASSERT_TRUE(receiver.read_some());
    received = receiver.next();
  }
  EXPECT_EQ(received->binary, go.binary);
  EXPECT_FALSE(sender.waiting());
}

TEST(SocketServerLink, TellsWhenTheServerIsGone) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Worker worker;
  const auto link = make_socket_server_link(ends[0]);
  link->start(worker);
  link->send(plain(Type::hello));
  EXPECT_TRUE(link->flush(5s));
  {
    Channel server{ends[1]};
    server.queue(plain(Type::ping));
    EXPECT_TRUE(server.write_some());
    EXPECT_EQ(worker.heard.wait_for(1)[0], "ping");
  }
  EXPECT_EQ(worker.heard.wait_for(2).back(), "lost");
}

TEST(Spawn, GivesTheChildDescriptorThreeAndNothingElse) {
  const std::string listing = testing::TempDir() + "descriptors";
  const std::string script = testing::TempDir() + "fake_worker.sh";
  std::ofstream{script} << "#!/bin/sh\nls /proc/$$/fd > " << listing << "\n";
  chmod(script.c_str(), 0700);
  const int leaked = open("/dev/null", 0);
  const Spawned listed = spawn_worker({.program = script});
  int status = 0;
  ASSERT_EQ(waitpid(listed.process, &status, 0), listed.process);
  close(listed.descriptor);
  close(leaked);
  std::vector<int> descriptors;
  std::ifstream input{listing};
  for (int number = 0; input >> number;) descriptors.push_back(number);
  // From 10 on the shell keeps its own.
  std::erase_if(descriptors, [](int number) { return number >= 10; });
  std::sort(descriptors.begin(), descriptors.end());
  EXPECT_EQ(descriptors, (std::vector<int>{0, 1, 2, 3}));
}

TEST(Spawn, SaysWhichProgramIsMissing) {
  try {
    spawn_worker({.program = "/no/such/worker"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message.find("/no/such/worker"), std::string::npos) << error.message;
  }
}

TEST(Spawn, PutsAnExitIntoWords) {
  EXPECT_EQ(describe_exit(SIGSEGV).reason, "signal 11, SIGSEGV");
  EXPECT_EQ(describe_exit(SIGKILL).signal, SIGKILL);
  EXPECT_EQ(describe_exit(3 << 8).reason, "exit status 3");
}

TEST(ChildLink, ReportsTheSignalOfADeadChildAndStartsAnother) {
  const std::string script = testing::TempDir() + "dying_worker.sh";
  std::ofstream{script} << "#!/bin/sh\nkill -SEGV $$\n";
  chmod(script.c_str(), 0700);
  Server server;
  const auto link = make_child_link({{.program = script, .arguments = {}}});
  link->start(server);
  const auto heard = server.heard.wait_for(2);
  link->stop(0ms);
  ASSERT_GE(heard.size(), 2u);
  EXPECT_EQ(heard[0], "child-0.1 lost: signal 11, SIGSEGV");
  EXPECT_EQ(heard[1], "child-0.2 lost: signal 11, SIGSEGV");
}

TEST(ChildLink, KillsAHungChildAndLeavesNoneBehind) {
  const std::string script = testing::TempDir() + "hung_worker.sh";
  std::ofstream{script}
      << "#!/bin/sh\ntrap '' TERM INT\n"
      << R"(printf '\000\000\000\051\000{"v":1,"type":"hello","seq":1,"body":{}}' >&3)"
      << "\nexec sleep 1000\n";
  chmod(script.c_str(), 0700);
  Server server;
  const auto link = make_child_link({{.program = script, .arguments = {}}});
  link->start(server);
  ASSERT_EQ(server.heard.wait_for(1)[0], "child-0.1:hello");
  link->kill("child-0.1");
  EXPECT_EQ(server.heard.wait_for(2)[1], "child-0.1 lost: signal 9, SIGKILL");
  EXPECT_EQ(server.heard.wait_for(3)[2], "child-0.2:hello");
  link->stop(100ms);
  EXPECT_EQ(server.heard.wait_for(4)[3], "child-0.2 lost: signal 9, SIGKILL");
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
}

}  // namespace
}  // namespace comfy::link
