// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/socket/channel.h"

#include "foundation/base/error.h"
#include "foundation/link/bodies.h"
#include "foundation/link/log.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace comfy::link {

Channel::Channel(int descriptor) : descriptor_{descriptor} {
  const int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0)
    throw Error(Error::Kind::invalid_input, "the link's descriptor must be an open socket",
                std::system_category().message(errno));
  fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

Channel::~Channel() { close(descriptor_); }

void Channel::queue(Message message) {
  const std::lock_guard lock{mutex_};
  if (is_replaceable(message)) {
    const auto older = std::find_if(queue_.begin(), queue_.end(), [&](const Message& waiting) {
      return is_replaceable(waiting) && waiting.prompt_id == message.prompt_id;
    });
    if (older != queue_.end()) queue_.erase(older);
  }
  queue_.push_back(std::move(message));
}

bool Channel::waiting() const {
  const std::lock_guard lock{mutex_};
  return busy_ || !queue_.empty();
}

bool Channel::refill() {
  Message message;
  {
    const std::lock_guard lock{mutex_};
    busy_ = !queue_.empty();
    if (!busy_) return false;
    message = std::move(queue_.front());
    queue_.pop_front();
  }
  written_ = 0;
  outgoing_.clear();
  message.seq = ++last_seq_;
  try {
    outgoing_ = encode_frame(message);
  } catch (const Error& error) {
    log.warn("a message was not sent: {}", error.message);
  }
  return true;
}

bool Channel::write_some() {
  while (written_ < outgoing_.size() || refill()) {
    if (written_ == outgoing_.size()) continue;
    const ssize_t sent =
        send(descriptor_, outgoing_.data() + written_, outgoing_.size() - written_, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    written_ += static_cast<std::size_t>(sent);
  }
  return true;
}

bool Channel::read_some() {
  // A few rounds at most, so that one busy peer does not keep the others waiting.
  char chunk[64 * 1024];
  for (int round = 0; round < 16; ++round) {
    const ssize_t got = recv(descriptor_, chunk, sizeof chunk, 0);
    if (got > 0) {
      reader_.feed({chunk, static_cast<std::size_t>(got)});
      continue;
    }
    if (got == 0) return false;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK;
  }
  return true;
}

Wakeup::Wakeup() : descriptor_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
  if (descriptor_ < 0)
    throw Error(Error::Kind::internal, "no event descriptor is to be had",
                std::system_category().message(errno));
}

Wakeup::~Wakeup() { close(descriptor_); }

void Wakeup::signal() const {
  const std::uint64_t one = 1;
  // It can only be full, and then the thread wakes anyway.
  [[maybe_unused]] const ssize_t written = write(descriptor_, &one, sizeof one);
}

void Wakeup::clear() const {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(descriptor_, &count, sizeof count);
}

}  // namespace comfy::link
