// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/sqlite/writer.h"

#include "foundation/base/fail_point.h"
#include "frontend/jobs/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <system_error>
#include <utility>

namespace comfy::jobs {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookAgain = 5s;
constexpr std::uint64_t kToSpare = 8;   // the part of a reserve that must be free beside it
constexpr std::uint64_t kSomeRoom = 4;  // the part of a reserve that is enough without it

Error disk_full() {
  return Error{Error::Kind::unavailable,
               "the disk of the job store must have free space, it is full", "disk_full"};
}

Error to_error(const DatabaseFailure& failure) {
  if (failure.code == SQLITE_FULL) return disk_full();
  return Error{Error::Kind::unavailable,
               fmt::format("the job store cannot be written: {}", failure.message),
               "store_unavailable"};
}

}  // namespace

Reserve::Reserve(std::filesystem::path file, std::uint64_t bytes)
    : file_{std::move(file)}, bytes_{bytes} {}

void Reserve::release() { unlink(file_.c_str()); }

bool Reserve::restore() {
  if (bytes_ == 0) return true;
  std::error_code failure;
  if (std::filesystem::file_size(file_, failure) == bytes_ && !failure) return true;
  const auto space = std::filesystem::space(file_.parent_path(), failure);
  // With a little to spare, or the next prompt would take it away again.
  if (failure || space.available < bytes_ + bytes_ / kToSpare) return false;
  const int descriptor = open(file_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (descriptor < 0) return false;
  const bool held = posix_fallocate(descriptor, 0, static_cast<off_t>(bytes_)) == 0;
  close(descriptor);
  if (!held) release();
  return held;
}

bool Reserve::has_room() const {
  std::error_code failure;
  const auto space = std::filesystem::space(file_.parent_path(), failure);
  return !failure && space.available > bytes_ / kSomeRoom;
}

Writer::Writer(std::unique_ptr<Database> database, Reserve reserve)
    : database_{std::move(database)}, reserve_{std::move(reserve)} {
  small_disk_ = !reserve_.restore();
  if (small_disk_) log.warn("the disk of the job store has no room for its reserve");
  thread_ = std::thread{[this] { run(); }};
}

void Writer::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock{mutex_};
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Writer::add(Change change) {
  {
    const std::lock_guard lock{mutex_};
    changes_.push_back(std::move(change));
  }
  wake_.notify_one();
}

void Writer::run() {
  std::unique_lock lock{mutex_};
  while (true) {
    wake_.wait_for(lock, kLookAgain, [this] { return ending_ || !changes_.empty(); });
    if (ending_ && changes_.empty()) return;
    std::vector<Change> changes{std::make_move_iterator(changes_.begin()),
                                std::make_move_iterator(changes_.end())};
    changes_.clear();
    lock.unlock();
    look_for_space();
    if (!changes.empty()) make(std::move(changes));
    lock.lock();
  }
}

void Writer::look_for_space() {
  if (!disk_low_ || Clock::now() < next_look_) return;
  next_look_ = Clock::now() + kLookAgain;
  if (reserve_.restore()) {
    small_disk_ = false;
  } else if (!small_disk_ || !reserve_.has_room()) {
    return;  // A disk that had no reserve before goes on without it; others wait for it.
  }
  disk_low_ = false;
  log.info("the disk of the job store has space again");
}

void Writer::refuse_accepting(std::vector<Change>& changes) {
  std::erase_if(changes, [](const Change& change) {
    if (change.accepts) change.failed(disk_full());
    return change.accepts;
  });
}

void Writer::make(std::vector<Change> changes) {
  for (bool again = true; again;) {
    again = false;
    if (disk_low_) refuse_accepting(changes);
    if (changes.empty()) return;
    std::vector<std::optional<Error>> errors(changes.size());
    try {
      commit(changes, errors);
      writable_ = true;
      fail_point("after_commit");
    } catch (const DatabaseFailure& failure) {
      if (failure.code == SQLITE_FULL && !disk_low_) {
        log.error("the disk of the job store is full; its reserve is used to end what runs");
        disk_low_ = true;
        reserve_.release();
        again = true;
        continue;
      }
      log.error("the job store cannot be written: {}", failure.message);
      writable_ = false;
      errors.assign(changes.size(), to_error(failure));
    }
    for (std::size_t i = 0; i < changes.size(); ++i) {
      if (errors[i]) {
        changes[i].failed(*errors[i]);
      } else {
        changes[i].done();
      }
    }
  }
}

void Writer::commit(std::vector<Change>& changes, std::vector<std::optional<Error>>& errors) {
  Transaction transaction{*database_};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    database_->execute("SAVEPOINT change");
    try {
      changes[i].apply(*database_);
    } catch (const Error& error) {
      errors[i] = error;
    } catch (const DatabaseFailure& failure) {
      // A disk that is full or broken concerns all; a rule that was violated only this change.
      if (failure.code != SQLITE_CONSTRAINT) throw;
      errors[i] = to_error(failure);
    }
    if (errors[i]) database_->execute("ROLLBACK TO change");
    database_->execute("RELEASE change");
  }
  fail_point("before_commit");
  transaction.commit();
}

}  // namespace comfy::jobs
