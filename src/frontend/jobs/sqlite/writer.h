// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/error.h"
#include "frontend/jobs/answer.h"
#include "frontend/jobs/sqlite/database.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace comfy::jobs {

/// A file that holds disk space back for the day on which the disk is full.
class Reserve {
 public:
  Reserve(std::filesystem::path file, std::uint64_t bytes);
  /// Gives the space to whoever needs it now.
  void release();
  /// Takes the space again when there is enough. True when it is held.
  bool restore();
  /// Whether prompts can be accepted for a while on a disk without a reserve.
  bool has_room() const;

 private:
  std::filesystem::path file_;
  std::uint64_t bytes_;
};

/// The one thread that changes the database: it makes changes in the order they come, those that
/// arrive while a commit is syncing share the next one.
class Writer {
 public:
  struct Change {
    std::function<void(Database&)> apply;  ///< throws Error or DatabaseFailure
    std::function<void()> done;            ///< durable
    std::function<void(const Error&)> failed;
    bool accepts = false;  ///< takes in something new, which waits while the disk is full
  };

  Writer(std::unique_ptr<Database> database, Reserve reserve);
  ~Writer() { stop(); }
  /// Makes every change that was asked for, then ends.
  void stop();

  void add(Change change);
  template <class T>
  void add(bool accepts, std::function<T(Database&)> apply, Done<T> done);

  bool writable() const { return writable_; }
  bool disk_low() const { return disk_low_; }

 private:
  using Clock = std::chrono::steady_clock;
  void run();
  void make(std::vector<Change> changes);
  void commit(std::vector<Change>& changes, std::vector<std::optional<Error>>& errors);
  void refuse_accepting(std::vector<Change>& changes);
  void look_for_space();

  std::unique_ptr<Database> database_;
  Reserve reserve_;
  bool small_disk_ = false;  // there was no room for the reserve
  std::atomic<bool> writable_{true};
  std::atomic<bool> disk_low_{false};
  Clock::time_point next_look_{};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Change> changes_;
  bool ending_ = false;
  std::thread thread_;
};

template <class T>
void Writer::add(bool accepts, std::function<T(Database&)> apply, Done<T> done) {
  // The value waits for the commit between the two calls.
  auto value = std::make_shared<std::optional<T>>();
  add({.apply = [apply = std::move(apply), value](Database& database) { *value = apply(database); },
       .done = [done, value] { done(std::move(**value)); },
       .failed = [done](const Error& error) { done(error); },
       .accepts = accepts});
}

}  // namespace comfy::jobs
