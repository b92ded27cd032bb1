// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/message.h"

#include <chrono>
#include <string>

namespace comfy::link {

/// Names one connection of a worker; a worker that comes back has a new one.
using WorkerKey = std::string;

/// Why a worker is gone.
struct WorkerExit {
  std::string reason = {};  ///< "signal 11, SIGSEGV", "exit status 1", "connection lost"
  int signal = 0;           ///< the signal that ended it, or 0
};

/// Who hears of what the workers send. Called from the transport's thread, one call at a time.
class WorkerListener {
 public:
  virtual ~WorkerListener() = default;
  virtual void on_message(const WorkerKey& worker, Message message) = 0;
  /// The last word about a connection.
  virtual void on_worker_lost(const WorkerKey& worker, const WorkerExit& exit) = 0;
};

/// The server's side of a transport: all workers behind one door. It knows no rule of claims or
/// leases; those live above it.
class WorkerLink {
 public:
  virtual ~WorkerLink() = default;
  /// From here on the listener is called.
  virtual void start(WorkerListener& listener) = 0;
  /// Queues a message and returns at once. Nothing happens when the worker is gone.
  virtual void send(const WorkerKey& worker, Message message) = 0;
  /// Ends a worker that hangs; on_worker_lost follows.
  virtual void kill(const WorkerKey& worker) = 0;
  /// Starts no worker again, waits up to `patience` for those there are to leave, then kills them.
  virtual void stop(std::chrono::milliseconds patience) = 0;
};

/// Who hears of what the server sends. Called from the transport's thread, one call at a time.
class ServerListener {
 public:
  virtual ~ServerListener() = default;
  virtual void on_message(Message message) = 0;
  virtual void on_server_lost() = 0;
};

/// The worker's side of a transport.
class ServerLink {
 public:
  virtual ~ServerLink() = default;
  virtual void start(ServerListener& listener) = 0;
  /// Queues a message and returns at once. Of several previews that wait only the newest is kept;
  /// everything else is sent.
  virtual void send(Message message) = 0;
  /// True once everything queued has been handed to the other side, or `patience` is over (false).
  virtual bool flush(std::chrono::milliseconds patience) = 0;
};

}  // namespace comfy::link
