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

/// The queue of a job on a shared link: workers empty the first one that has any.
enum class Urgency { high, normal, low };

/// Who hears of what the workers send. Called from the transport's threads, one call at a time.
class WorkerListener {
 public:
  virtual ~WorkerListener() = default;
  virtual void on_message(const WorkerKey& worker, Message message) = 0;
  /// The last word about a connection.
  virtual void on_worker_lost(const WorkerKey& worker, const WorkerExit& exit) = 0;

  // Of shared links only.
  /// The answer to probe(): the worker is there.
  virtual void on_worker_there(const WorkerKey&) {}
  /// An offered job did not reach the common queue, or fell out of it.
  virtual void on_offer_lost(const std::string& /*prompt_id*/) {}
  /// The way to the common queue is open, for the first time or again: jobs offered before may be
  /// gone.
  virtual void on_link_up() {}
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
  /// Workers of a shared link stay.
  virtual void stop(std::chrono::milliseconds patience) = 0;

  /// True where jobs wait in a common queue from which all workers take, and where workers outlive
  /// this server: what follows has a meaning there only.
  virtual bool is_shared() const { return false; }
  /// Puts a `job` into the common queue, for whichever worker is free first.
  virtual void offer(Message /*job*/, Urgency /*urgency*/) {}
  /// False while nothing can be put there.
  virtual bool is_open() const { return true; }
  /// False while what workers send may be stuck on its way: their silence proves nothing then.
  virtual bool hears() const { return true; }
  /// Asks whether a worker is there; on_worker_there or on_worker_lost follows, or nothing while
  /// workers are given time to come back after an outage.
  virtual void probe(const WorkerKey& /*worker*/) {}
};

/// Who hears of what the server sends. Called from the transport's threads, one call at a time.
class ServerListener {
 public:
  virtual ~ServerListener() = default;
  virtual void on_message(Message message) = 0;
  /// The last word of a connection that does not come back by itself.
  virtual void on_server_lost() = 0;

  // Of shared links only.
  /// The connection is there, for the first time or again; what was sent before may be lost.
  virtual void on_server_found() {}
  /// This `finish` reaches its server even if nobody of those who are there now lives on.
  virtual void on_kept(const Message& /*finish*/) {}
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

  /// True where jobs come out of a common queue, one at a time and only while one is wanted, and
  /// where the connection comes back by itself.
  virtual bool is_shared() const { return false; }
  virtual void want_job(bool /*wanted*/) {}
  /// The job need not be kept for another worker any more, should this one die.
  virtual void settle(const std::string& /*prompt_id*/) {}
};

}  // namespace comfy::link
