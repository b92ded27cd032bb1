// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/frame.h"

#include <deque>
#include <mutex>
#include <optional>
#include <string>

namespace comfy::link {

/// One end of a connected stream socket that never blocks: messages wait in a queue until the
/// socket takes them.
///
/// `queue` and `waiting` may be called from any thread, the rest from the thread that polls.
class Channel {
 public:
  /// Takes the descriptor over and makes it non-blocking.
  explicit Channel(int descriptor);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  int descriptor() const { return descriptor_; }

  /// Adds a message; a replaceable preview takes the place of an older one of its prompt.
  void queue(Message message);
  /// True while something is not handed to the socket yet.
  bool waiting() const;

  /// Writes what the socket takes. False when the other side is gone.
  bool write_some();
  /// Reads what there is. False at end of file or when the other side is gone.
  bool read_some();
  /// The next whole message that was read. Throws as FrameReader does.
  std::optional<Message> next() { return reader_.next(); }
  std::uint64_t ignored() const { return reader_.ignored(); }

 private:
  bool refill();
  int descriptor_;
  FrameReader reader_;
  std::string outgoing_;
  std::size_t written_ = 0;
  std::uint64_t last_seq_ = 0;
  mutable std::mutex mutex_;
  std::deque<Message> queue_;
  bool busy_ = false;  // outgoing_ is not written out; guarded by mutex_
};

/// Wakes a thread that polls.
class Wakeup {
 public:
  Wakeup();
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  int descriptor() const { return descriptor_; }
  void signal() const;
  void clear() const;

 private:
  int descriptor_;
};

}  // namespace comfy::link
