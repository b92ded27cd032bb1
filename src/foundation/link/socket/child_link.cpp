// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/socket/child_link.h"

#include "foundation/base/error.h"
#include "foundation/link/log.h"
#include "foundation/link/socket/channel.h"
#include "foundation/link/socket/spawn.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

namespace comfy::link {
namespace {

using Steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::array<std::chrono::milliseconds, 4> kBackoff{0ms, 1000ms, 2000ms, 5000ms};
constexpr auto kLongLife = 60s;
// A child whose socket closed is on its way out; one that stays is helped.
constexpr auto kExitPatience = 2s;

/// One worker process at a time, over all its restarts.
struct Child {
  ChildCommand command;
  std::size_t index = 0;
  int starts = 0;
  std::size_t failures = 0;
  Steady::time_point started{};
  Steady::time_point start_at{};
  pid_t process = -1;
  WorkerKey key;
  std::shared_ptr<Channel> channel;             // open while the child can be spoken with
  std::optional<Steady::time_point> closed_at;  // the socket ended, the process not yet
};

class ChildLink final : public WorkerLink {
 public:
  explicit ChildLink(std::vector<ChildCommand> commands) {
    for (ChildCommand& command : commands) {
      children_.emplace_back();
      children_.back().index = children_.size() - 1;
      children_.back().command = std::move(command);
    }
  }
  ~ChildLink() override { stop(0ms); }

  void start(WorkerListener& listener) override {
    listener_ = &listener;
    thread_ = std::thread{[this] { run(); }};
  }

  void send(const WorkerKey& worker, Message message) override {
    {
      const std::lock_guard lock{mutex_};
      const auto found = channels_.find(worker);
      if (found == channels_.end()) return;
      found->second->queue(std::move(message));
    }
    wakeup_.signal();
  }

  void kill(const WorkerKey& worker) override {
    {
      const std::lock_guard lock{mutex_};
      condemned_.push_back(worker);
    }
    wakeup_.signal();
  }

  void stop(std::chrono::milliseconds patience) override {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock{mutex_};
      stop_at_ = Steady::now() + patience;
    }
    wakeup_.signal();
    thread_.join();
  }

 private:
  void run();
  void start_due();
  void spawn(Child& child);
  void poll_once();
  void serve(Child& child, short happened);
  void close_channel(Child& child);
  void reap(Child& child);
  void kill_condemned();
  bool finished();
  std::optional<Steady::time_point> stop_at();

  std::vector<Child> children_;  // the link thread's alone, once it runs
  WorkerListener* listener_ = nullptr;
  std::thread thread_;
  Wakeup wakeup_;
  std::mutex mutex_;
  std::map<WorkerKey, std::shared_ptr<Channel>> channels_;
  std::vector<WorkerKey> condemned_;
  std::optional<Steady::time_point> stop_at_;
};

std::optional<Steady::time_point> ChildLink::stop_at() {
  const std::lock_guard lock{mutex_};
  return stop_at_;
}

void ChildLink::run() {
  while (!finished()) {
    if (!stop_at()) start_due();
    poll_once();
    kill_condemned();
    for (Child& child : children_)
      if (child.process > 0) reap(child);
  }
}

bool ChildLink::finished() {
  const auto deadline = stop_at();
  if (!deadline) return false;
  const bool over = Steady::now() >= *deadline;
  bool alive = false;
  for (Child& child : children_) {
    if (child.process <= 0) continue;
    alive = true;
    if (over) ::kill(child.process, SIGKILL);
  }
  return !alive;
}

void ChildLink::start_due() {
  for (Child& child : children_)
    if (child.process <= 0 && Steady::now() >= child.start_at) spawn(child);
}

void ChildLink::spawn(Child& child) {
  ++child.starts;
  child.started = Steady::now();
  child.key = fmt::format("child-{}.{}", child.index, child.starts);
  try {
    const Spawned spawned = spawn_worker(child.command);
    child.process = spawned.process;
    child.channel = std::make_shared<Channel>(spawned.descriptor);
    child.closed_at.reset();
    const std::lock_guard lock{mutex_};
    channels_[child.key] = child.channel;
  } catch (const Error& error) {
    log.error("{}", error.message);
    child.failures = std::min(child.failures + 1, kBackoff.size() - 1);
    child.start_at = child.started + kBackoff[child.failures];
  }
}

void ChildLink::poll_once() {
  std::vector<pollfd> polled{{wakeup_.descriptor(), POLLIN, 0}};
  std::vector<Child*> served;
  bool exiting = false;
  auto wake_at = Steady::now() + 1s;
  for (Child& child : children_) {
    if (child.channel) {
      const short events = child.channel->waiting() ? POLLIN | POLLOUT : POLLIN;
      polled.push_back({child.channel->descriptor(), events, 0});
      served.push_back(&child);
    }
    exiting = exiting || child.closed_at.has_value();
    if (child.process <= 0 && !stop_at()) wake_at = std::min(wake_at, child.start_at);
  }
  const auto deadline = stop_at();
  if (deadline) wake_at = std::min(wake_at, std::max(*deadline, Steady::now() + 5ms));
  auto wait = std::chrono::ceil<std::chrono::milliseconds>(wake_at - Steady::now());
  wait = std::clamp(wait, 0ms, exiting ? 5ms : 1000ms);
  if (poll(polled.data(), polled.size(), static_cast<int>(wait.count())) <= 0) return;
  if (polled[0].revents != 0) wakeup_.clear();
  for (std::size_t i = 0; i < served.size(); ++i) serve(*served[i], polled[i + 1].revents);
}

void ChildLink::serve(Child& child, short happened) {
  bool open = true;
  if (child.channel->waiting()) open = child.channel->write_some();
  if ((happened & (POLLIN | POLLHUP | POLLERR)) != 0) open = child.channel->read_some() && open;
  try {
    // What a worker said before it ended still counts.
    while (std::optional<Message> message = child.channel->next())
      listener_->on_message(child.key, std::move(*message));
  } catch (const Error& error) {
    log.error("worker {} sent what cannot be read and is ended: {}", child.key, error.message);
    ::kill(child.process, SIGKILL);
    open = false;
  }
  if (!open) close_channel(child);
}

void ChildLink::close_channel(Child& child) {
  child.closed_at = Steady::now();
  child.channel.reset();
  const std::lock_guard lock{mutex_};
  channels_.erase(child.key);
}

void ChildLink::reap(Child& child) {
  // The socket is read to its end first, so that last words come before the news of the death.
  if (child.channel) return;
  int status = 0;
  const pid_t ended = waitpid(child.process, &status, WNOHANG);
  if (ended == 0) {
    if (Steady::now() - *child.closed_at > kExitPatience) ::kill(child.process, SIGKILL);
    return;
  }
  const WorkerExit exit =
      ended > 0 ? describe_exit(status) : WorkerExit{"its exit status is not known", 0};
  child.process = -1;
  const bool lived_long = Steady::now() - child.started > kLongLife;
  child.start_at = Steady::now() + (lived_long ? 0ms : kBackoff[child.failures]);
  child.failures = lived_long ? 0 : std::min(child.failures + 1, kBackoff.size() - 1);
  child.closed_at.reset();
  if (!stop_at()) log.warn("worker {} is gone: {}", child.key, exit.reason);
  listener_->on_worker_lost(child.key, exit);
}

void ChildLink::kill_condemned() {
  std::vector<WorkerKey> condemned;
  {
    const std::lock_guard lock{mutex_};
    condemned.swap(condemned_);
  }
  for (const WorkerKey& key : condemned)
    for (const Child& child : children_)
      if (child.key == key && child.process > 0) ::kill(child.process, SIGKILL);
}

}  // namespace

std::unique_ptr<WorkerLink> make_child_link(std::vector<ChildCommand> children) {
  return std::make_unique<ChildLink>(std::move(children));
}

}  // namespace comfy::link
