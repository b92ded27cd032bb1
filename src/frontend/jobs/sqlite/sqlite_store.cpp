// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/sqlite/sqlite_store.h"

#include "foundation/base/error.h"
#include "frontend/jobs/log.h"
#include "frontend/jobs/sqlite/changes.h"
#include "frontend/jobs/sqlite/reads.h"
#include "frontend/jobs/sqlite/schema.h"
#include "frontend/jobs/sqlite/writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <mutex>
#include <thread>
#include <utility>

namespace comfy::jobs {
namespace {

namespace fs = std::filesystem;

/// Keeps a second server away from the store.
class StoreLock {
 public:
  explicit StoreLock(const fs::path& store) {
    const fs::path file{store.string() + ".lock"};
    descriptor_ = open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor_ < 0)
      throw Error(Error::Kind::unavailable,
                  fmt::format("\"{}\" must be writable, it is not", file.string()),
                  "store_unavailable");
    if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
    close(descriptor_);
    throw Error(
        Error::Kind::conflict,
        fmt::format("the job store \"{}\" must belong to one server, another one has it open",
                    store.string()));
  }
  ~StoreLock() { close(descriptor_); }
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;

 private:
  int descriptor_ = -1;
};

Error to_open_error(const DatabaseFailure& failure, const fs::path& file) {
  if (failure.code == SQLITE_CORRUPT || failure.code == SQLITE_NOTADB)
    return Error{
        Error::Kind::internal,
        fmt::format("the job store \"{}\" must be a sound SQLite file, it is damaged ({}); "
                    "`comfyui --recover-store` saves what can be read",
                    file.string(), failure.message)};
  return Error{Error::Kind::unavailable,
               fmt::format("the job store \"{}\" must be readable and writable: {}", file.string(),
                           failure.message),
               "store_unavailable"};
}

std::unique_ptr<Database> open_for_writing(const fs::path& file, Random& random) {
  fs::create_directories(file.parent_path());
  // It holds secrets of running prompts: for its owner's eyes. SQLite's side files follow it.
  const int created = open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (created >= 0) close(created);
  try {
    auto database = std::make_unique<Database>(file, Database::Mode::read_write);
    migrate(*database, file, random);
    database->execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    return database;
  } catch (const DatabaseFailure& failure) {
    throw to_open_error(failure, file);
  }
}

/// Connections for reading, one for each thread that reads at a time.
class Readers {
 public:
  explicit Readers(fs::path file) : file_{std::move(file)} {}

  template <class F>
  auto read(F&& query) {
    try {
      std::unique_ptr<Database> database = take();
      auto result = query(*database);
      const std::lock_guard lock{mutex_};
      idle_.push_back(std::move(database));
      return result;
    } catch (const DatabaseFailure& failure) {
      throw Error(Error::Kind::unavailable,
                  fmt::format("the job store cannot be read: {}", failure.message),
                  "store_unavailable");
    }
  }

 private:
  std::unique_ptr<Database> take() {
    {
      const std::lock_guard lock{mutex_};
      if (!idle_.empty()) {
        auto database = std::move(idle_.back());
        idle_.pop_back();
        return database;
      }
    }
    auto database = std::make_unique<Database>(file_, Database::Mode::read_write);
    database->execute("PRAGMA query_only = ON");
    return database;
  }

  fs::path file_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Database>> idle_;
};

class SqliteStore final : public JobStore {
 public:
  SqliteStore(SqliteOptions options, Random& random)
      : options_{std::move(options)}, lock_{options_.file}, readers_{options_.file} {
    auto database = open_for_writing(options_.file, random);
    try {
      store_id_ = database->text("SELECT value FROM setting WHERE name = 'store_id'");
      unclean_ = database->text("SELECT value FROM setting WHERE name = 'clean_stop'") != "1";
      database->execute("UPDATE setting SET value = '0' WHERE name = 'clean_stop'");
    } catch (const DatabaseFailure& failure) {
      throw to_open_error(failure, options_.file);
    }
    writer_ = std::make_unique<Writer>(
        std::move(database), Reserve{options_.file.string() + ".reserve", options_.reserve_bytes});
    if (unclean_) check_ = std::thread{[this] { check(); }};
  }

  ~SqliteStore() override {
    if (check_.joinable()) check_.join();
    writer_->add({.apply =
                      [](Database& database) {
                        database.execute(
                            "UPDATE setting SET value = '1' WHERE name = 'clean_stop'");
                      },
                  .done = [] {},
                  .failed = [](const Error&) {}});
    writer_->stop();
    writer_.reset();
    try {
      Database{options_.file, Database::Mode::read_write}.execute(
          "PRAGMA wal_checkpoint(TRUNCATE)");
    } catch (const DatabaseFailure& failure) {
      log.warn("the job store's log was not folded in: {}", failure.message);
    }
  }

  void accept(NewJob job, Done<AcceptedJob> done) override {
    change<AcceptedJob>([job = std::move(job),
                         this](Database& database) { return accept_job(database, job, store_id_); },
                        std::move(done), true);
  }
  void claim(ClaimRequest request, Done<std::optional<Claimed>> done) override {
    change<std::optional<Claimed>>(
        [request = std::move(request), this](Database& database) {
          return claim_job(database, request, store_id_);
        },
        std::move(done));
  }
  void finish(Outcome outcome, Done<FinishResult> done) override {
    change<FinishResult>([outcome = std::move(outcome)](
                             Database& database) { return finish_job(database, outcome); },
                         std::move(done));
  }
  void lost(LostAttempt attempt, Done<LostResult> done) override {
    change<LostResult>([attempt = std::move(attempt)](
                           Database& database) { return lose_attempt(database, attempt); },
                       std::move(done));
  }
  void cancel(CancelRequest request, Done<std::vector<CancelResult>> done) override {
    change<std::vector<CancelResult>>(
        [request = std::move(request)](Database& database) {
          return cancel_jobs(database, request);
        },
        std::move(done));
  }
  void expire(std::vector<std::string> ids, WallTime at,
              Done<std::vector<std::string>> done) override {
    change<std::vector<std::string>>(
        [ids = std::move(ids), at](Database& database) { return expire_jobs(database, ids, at); },
        std::move(done));
  }
  void forget(std::string owner, std::optional<std::vector<std::string>> ids,
              Done<Nothing> done) override {
    change<bool>([owner, ids](Database& database) { return forget_jobs(database, owner, ids); },
                 [owner, ids, done, this](const Answer<bool>& more) {
                   if (!more.succeeded()) return done(more.error());
                   if (more.get()) return forget(owner, ids, done);
                   done(Nothing{});
                 });
  }
  void tidy(WallTime at) override {
    change<bool>(
        [at, this](Database& database) {
          return tidy_jobs(database, {options_.history_max_jobs, options_.history_max_bytes}, at);
        },
        [at, this](Answer<bool> more) {
          if (more.succeeded() && more.get()) tidy(at);
        });
  }

  std::vector<QueuedJob> queued_jobs() const override { return readers_.read(read_queued_jobs); }
  std::vector<OpenAttempt> open_attempts() const override {
    return readers_.read(read_open_attempts);
  }
  QueueIds queue_ids(const std::string& owner) const override {
    return readers_.read([&](Database& database) { return read_queue_ids(database, owner); });
  }
  std::vector<std::string> history_ids(const HistoryPage& page) const override {
    return readers_.read([&](Database& database) { return read_history_ids(database, page); });
  }
  std::optional<JobRecord> find(std::string_view prompt_id) const override {
    return readers_.read([&](Database& database) { return read_job(database, prompt_id); });
  }
  std::vector<JobRecord> list(const JobPage& page) const override {
    return readers_.read([&](Database& database) { return read_list(database, page); });
  }
  std::size_t count(const JobPage& page) const override {
    return readers_.read([&](Database& database) { return read_count(database, page); });
  }

  StoreHealth health() const override {
    const std::lock_guard lock{mutex_};
    return {.writable = writer_->writable() && !writer_->disk_low(),
            .disk_low = writer_->disk_low(),
            .unclean_start = unclean_,
            .damage = damage_};
  }
  std::string store_id() const override { return store_id_; }

 private:
  template <class T>
  void change(std::function<T(Database&)> apply, Done<T> done, bool accepts = false) {
    writer_->add<T>(accepts, std::move(apply), std::move(done));
  }

  void check() {
    std::string found;
    try {
      found = readers_.read([](Database& database) { return database.text("PRAGMA quick_check"); });
    } catch (const Error& error) {
      found = error.message;
    }
    if (found == "ok") return;
    log.error("the job store is damaged: {}; `comfyui --recover-store` saves what can be read",
              found);
    const std::lock_guard lock{mutex_};
    damage_ = found;
  }

  SqliteOptions options_;
  StoreLock lock_;
  mutable Readers readers_;
  std::string store_id_;
  bool unclean_ = false;
  mutable std::mutex mutex_;
  std::string damage_;
  std::unique_ptr<Writer> writer_;
  std::thread check_;
};

/// Copies rows of one table one way or the other until a damaged page stops it.
std::size_t salvage(Database& from, Database& to, std::string_view table, const char* direction) {
  const std::string columns = from.text(
      fmt::format("SELECT group_concat(quote(name), ', ') FROM pragma_table_info('{}')", table));
  std::string marks = "?";
  const std::int64_t count =
      from.integer(fmt::format("SELECT count(*) FROM pragma_table_info('{}')", table));
  for (std::int64_t i = 1; i < count; ++i) marks += ", ?";
  std::size_t saved = 0;
  try {
    Statement row = from.prepare(fmt::format("SELECT * FROM {} ORDER BY 1 {}", table, direction));
    while (row.step()) {
      Statement insert =
          to.prepare(fmt::format("INSERT OR IGNORE INTO {} VALUES ({})", table, marks));
      for (int column = 0; column < count; ++column) {
        if (row.is_null(column)) {
          insert.bind_null();
        } else {
          insert.bind(row.text(column));
        }
      }
      insert.run();
      saved += static_cast<std::size_t>(to.changes());
    }
  } catch (const DatabaseFailure& failure) {
    log.warn("table {} of the damaged store can be read in part: {}", table, failure.message);
  }
  return saved;
}

}  // namespace

std::unique_ptr<JobStore> open_sqlite_store(SqliteOptions options, Random& random) {
  return std::make_unique<SqliteStore>(std::move(options), random);
}

std::size_t recover_sqlite_store(const fs::path& file, Random& random) {
  const StoreLock lock{file};
  const fs::path damaged{file.string() + ".damaged"};
  for (const char* suffix : {"", "-wal", "-shm"})
    if (fs::exists(file.string() + suffix))
      fs::rename(file.string() + suffix, damaged.string() + suffix);
  const auto fresh = open_for_writing(file, random);
  std::size_t jobs = 0;
  try {
    Database old{damaged, Database::Mode::read_write};
    // Rows may have lost what they refer to; such orphans are removed at the end.
    fresh->execute("PRAGMA foreign_keys = OFF");
    Transaction transaction{*fresh};
    fresh->execute("DELETE FROM setting WHERE name <> 'clean_stop'");
    salvage(old, *fresh, "setting", "ASC");
    for (const char* direction : {"ASC", "DESC"}) {
      jobs += salvage(old, *fresh, "job", direction);
      for (const char* table : {"attempt", "event", "secret", "idempotency"})
        salvage(old, *fresh, table, direction);
    }
    fresh->execute(
        "INSERT OR IGNORE INTO setting SELECT 'store_id', lower(hex(randomblob(8)));"
        "INSERT OR IGNORE INTO setting SELECT 'next_number', coalesce(max(sequence), 0) FROM job;"
        "INSERT OR IGNORE INTO setting SELECT 'next_finish', coalesce(max(finish_order), 0) + 1 "
        "FROM job");
    for (const char* table : {"attempt", "event", "secret", "idempotency"})
      fresh->execute(
          fmt::format("DELETE FROM {} WHERE prompt_id NOT IN (SELECT prompt_id FROM job)", table)
              .c_str());
    transaction.commit();
  } catch (const DatabaseFailure& failure) {
    log.warn("the damaged store gives nothing: {}", failure.message);
  }
  return jobs;
}

}  // namespace comfy::jobs
