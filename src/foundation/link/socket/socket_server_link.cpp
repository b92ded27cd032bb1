// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/socket/socket_server_link.h"

#include "foundation/base/error.h"
#include "foundation/link/log.h"
#include "foundation/link/socket/channel.h"

#include <poll.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace comfy::link {
namespace {

class SocketServerLink final : public ServerLink {
 public:
  explicit SocketServerLink(int descriptor) : channel_{descriptor} {}
  ~SocketServerLink() override {
    stopping_ = true;
    wakeup_.signal();
    if (thread_.joinable()) thread_.join();
  }

  void start(ServerListener& listener) override {
    listener_ = &listener;
    thread_ = std::thread{[this] { run(); }};
  }

  void send(Message message) override {
    channel_.queue(std::move(message));
    wakeup_.signal();
  }

  bool flush(std::chrono::milliseconds patience) override {
    std::unique_lock lock{mutex_};
    return written_.wait_for(lock, patience, [this] { return lost_ || !channel_.waiting(); }) &&
           !lost_;
  }

 private:
  void run() {
    while (!stopping_ && serve()) {
    }
    {
      const std::lock_guard lock{mutex_};
      lost_ = true;
    }
    written_.notify_all();
    if (!stopping_) listener_->on_server_lost();
  }

  bool serve() {
    const short events = channel_.waiting() ? POLLIN | POLLOUT : POLLIN;
    pollfd polled[2] = {{wakeup_.descriptor(), POLLIN, 0}, {channel_.descriptor(), events, 0}};
    if (poll(polled, 2, -1) < 0) return true;
    if (polled[0].revents != 0) wakeup_.clear();
    bool open = !channel_.waiting() || channel_.write_some();
    if (!channel_.waiting()) {
      {
        const std::lock_guard lock{mutex_};
      }
      written_.notify_all();
    }
    if ((polled[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
      open = channel_.read_some() && open;
    try {
      while (std::optional<Message> message = channel_.next())
        listener_->on_message(std::move(*message));
    } catch (const Error& error) {
      log.error("the server sent what cannot be read: {}", error.message);
      return false;
    }
    return open;
  }

  Channel channel_;
  Wakeup wakeup_;
  ServerListener* listener_ = nullptr;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable written_;
  bool lost_ = false;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<ServerLink> make_socket_server_link(int descriptor) {
  return std::make_unique<SocketServerLink>(descriptor);
}

}  // namespace comfy::link
