// SPDX-License-Identifier: GPL-3.0-or-later
//
// F11: the n-th write, sync, open or allocation of the store fails, for every n until nothing
// fails any more. Each call is answered, what was answered well is kept, and the store is sound.
#include "foundation/base/error.h"
#include "foundation/base/failing_calls.h"
#include "foundation/base/log.h"
#include "frontend/jobs/sqlite/database.h"
#include "frontend/jobs/sqlite/sqlite_store.h"
#include "frontend/jobs/sqlite/store_calls.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <set>
#include <string>

namespace comfy::jobs {
namespace {

namespace fs = std::filesystem;

std::atomic<std::int64_t> allocations_left{-1};
sqlite3_mem_methods system_memory;

bool out_of_memory() { return allocations_left >= 0 && allocations_left.fetch_sub(1) == 0; }

/// SQLite's memory, of which one allocation can be made to fail. Set before SQLite is first used.
const bool memory_is_ours = [] {
  sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_memory);
  sqlite3_mem_methods ours = system_memory;
  ours.xMalloc = [](int size) { return out_of_memory() ? nullptr : system_memory.xMalloc(size); };
  ours.xRealloc = [](void* old, int size) {
    return out_of_memory() ? nullptr : system_memory.xRealloc(old, size);
  };
  return sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) == SQLITE_OK;
}();

class StoreFailures : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(memory_is_ours);
    set_log_level(LogLevel::error);
  }
  void TearDown() override {
    set_log_level(LogLevel::info);
    fs::remove_all(folder_);
  }
  fs::path file() const { return folder_ / "jobs.db"; }

  /// Opens the store and takes prompts through it. Every refusal is an Error.
  void live() {
    try {
      const auto store = open_sqlite_store({.file = file(), .reserve_bytes = 8192}, random_);
      for (int i = 0; i < 6; ++i) {
        const std::string id = "p" + std::to_string(i);
        if (!accept(*store, job(id)).succeeded()) continue;
        accepted_.insert(id);
        follow(*store, id, i);
      }
      store->tidy(WallTime{1});
    } catch (const Error&) {
      // It did not open; what was answered before is there when it does.
    }
  }

  void follow(JobStore& store, const std::string& id, int i) try {
    if (i % 3 == 0) return;
    if (i % 3 == 1) {
      cancel(store, id);
      ended_.insert(id);
    } else if (claim(store, id, id) && finish(store, id, 1, id).stored) {
      ended_.insert(id);
    }
    store.history_ids({});
    store.find(id);
  } catch (const Error&) {
    // Refused, and said so.
  }

  void check(const std::string& what) {
    const auto store = open_sqlite_store({.file = file(), .reserve_bytes = 0}, random_);
    EXPECT_EQ((Database{file(), Database::Mode::read_only}.text("PRAGMA integrity_check")), "ok")
        << what;
    for (const std::string& id : accepted_) EXPECT_TRUE(store->find(id)) << id << ", " << what;
    for (const std::string& id : ended_)
      EXPECT_TRUE(is_terminal(store->find(id)->state)) << id << ", " << what;
    EXPECT_TRUE(accept(*store, job("next")).succeeded()) << what;
  }

  /// `arm(n)` makes the n-th call fail; `came()` disarms and tells whether it had come to that.
  void fail_each(const std::string& name, const std::function<void(std::uint64_t)>& arm,
                 const std::function<bool()>& came) {
    // COMFY_FAILURES=0 goes on until a life in which nothing fails.
    const char* wanted = std::getenv("COMFY_FAILURES");
    const std::uint64_t most = wanted ? std::strtoull(wanted, nullptr, 10) : 200;
    std::uint64_t n = 0;
    for (bool failed = true; failed && !HasFailure() && (most == 0 || n < most);) {
      fs::remove_all(folder_);
      fs::create_directories(folder_);
      accepted_.clear();
      ended_.clear();
      arm(++n);
      live();
      failed = came();
      check(fmt::format("{} {} failed", name, n));
    }
    EXPECT_GT(n, 5u) << "so few calls of " << name;
    RecordProperty(name, std::to_string(n));
  }

  SeededRandom random_{1};
  fs::path folder_ = memory_folder("failures");
  std::set<std::string> accepted_;
  std::set<std::string> ended_;
};

TEST_F(StoreFailures, AreAnsweredAndLoseNothing) {
  for (const FailingCall call : {FailingCall::write, FailingCall::sync, FailingCall::open})
    fail_each(
        std::string{call_name(call)}, [call](std::uint64_t n) { fail_call(call, n); }, failed_call);
}

TEST_F(StoreFailures, OfMemoryAreAnsweredAndLoseNothing) {
  fail_each(
      "allocation", [](std::uint64_t n) { allocations_left = static_cast<std::int64_t>(n) - 1; },
      [] { return allocations_left.exchange(-1) < 0; });
}

}  // namespace
}  // namespace comfy::jobs
