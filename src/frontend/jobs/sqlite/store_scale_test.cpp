// SPDX-License-Identifier: GPL-3.0-or-later
//
// How the cost of the store grows with what it holds, counted and not timed: statements of each
// call, and the steps of SQLite's machine.
#include "frontend/jobs/sqlite/sqlite_store.h"
#include "frontend/jobs/sqlite/store_calls.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace comfy::jobs {
namespace {

namespace fs = std::filesystem;

struct Cost {
  int statements = 0;
  std::int64_t steps = 0;
};

/// What SQLite does on every connection of this process that is opened while this lives.
class Meter {
 public:
  Meter() { sqlite3_auto_extension(reinterpret_cast<void (*)()>(on_open)); }
  ~Meter() { sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(on_open)); }

  static Cost of(const std::function<void()>& call) {
    reset();
    call();
    const std::lock_guard lock{mutex_};
    return cost_;
  }

 private:
  static void reset() {
    const std::lock_guard lock{mutex_};
    cost_ = {};
  }
  static int on_open(sqlite3* database, char**, const sqlite3_api_routines*) {
    return sqlite3_trace_v2(database, SQLITE_TRACE_PROFILE, on_profile, nullptr);
  }
  static int on_profile(unsigned, void*, void* statement, void*) {
    const std::lock_guard lock{mutex_};
    ++cost_.statements;
    cost_.steps +=
        sqlite3_stmt_status(static_cast<sqlite3_stmt*>(statement), SQLITE_STMTSTATUS_VM_STEP, 1);
    return 0;
  }

  static inline std::mutex mutex_;
  static inline Cost cost_;
};

class StoreScale : public testing::Test {
 protected:
  static constexpr int kSizes[] = {40, 400, 4000};

  void open(std::size_t keep = 100'000) {
    store_.reset();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    store_ = open_sqlite_store(
        {.file = folder_ / "jobs.db", .history_max_jobs = keep, .reserve_bytes = 0}, random_);
  }
  void TearDown() override {
    store_.reset();
    fs::remove_all(folder_);
  }

  /// Jobs of two users; with `run` they have ended, every tenth badly.
  void add(const std::string& prefix, int count, bool run) {
    const std::string last = prefix + std::to_string(count - 1);
    for (int i = 0; i < count; ++i) {
      NewJob one = job(prefix + std::to_string(i));
      one.owner = i % 2 == 0 ? "ann" : "bob";
      one.created = WallTime{1000 + i};
      const std::string id = one.prompt_id;
      store_->accept(std::move(one), [](const Answer<AcceptedJob>&) {});
      if (!run) continue;
      store_->claim({.prompt_id = id, .token = id, .worker = "w", .at = WallTime{2000 + i}},
                    [](const Answer<std::optional<Claimed>>&) {});
      store_->finish({.prompt_id = id,
                      .attempt = 1,
                      .token = id,
                      .state = i % 10 == 0 ? State::failed : State::succeeded,
                      .outputs = "{}",
                      .meta = "{}",
                      .status = R"({"status_str": "x", "messages": []})",
                      .started = WallTime{2000 + i},
                      .ended = WallTime{2500 + 2 * i}},
                     [](const Answer<FinishResult>&) {});
    }
    ASSERT_TRUE(accept(*store_, job("last of " + prefix)).succeeded());  // all of them are in
  }

  /// The calls that every request and every job makes.
  std::map<std::string, Cost> costs() {
    std::map<std::string, Cost> costs;
    const std::string tag = std::to_string(++round_);
    const auto measure = [&](const std::string& name, const std::function<void()>& call) {
      call();  // statements are prepared once
      costs[name] = Meter::of(call);
    };
    int next = 0;
    measure("accept", [&] { accept(*store_, job(fmt::format("new{}-{}", tag, next++))); });
    measure("accept again", [&] { accept(*store_, job(fmt::format("new{}-0", tag))); });
    next = 0;
    measure("claim", [&] {
      const std::string id = fmt::format("new{}-{}", tag, next++);
      EXPECT_TRUE(claim(*store_, id, id));
    });
    next = 0;
    measure("finish", [&] {
      const std::string id = fmt::format("new{}-{}", tag, next++);
      EXPECT_TRUE(finish(*store_, id, 1, id).stored);
    });
    next = 100;
    for (int i = 100; i < 102; ++i) accept(*store_, job(fmt::format("new{}-{}", tag, i)));
    measure("cancel", [&] { cancel(*store_, fmt::format("new{}-{}", tag, next++)); });
    measure("find", [&] { EXPECT_TRUE(store_->find(fmt::format("new{}-0", tag))); });
    measure("history", [&] { store_->history_ids({.limit = 5}); });
    measure("history of one user", [&] { store_->history_ids({.owner = "ann", .limit = 5}); });
    measure("list", [&] { store_->list({.limit = 5}); });
    measure("list a state", [&] { store_->list({.states = {State::failed}, .limit = 5}); });
    measure("list states", [&] {
      store_->list({.states = {State::failed, State::succeeded, State::cancelled}, .limit = 5});
    });
    measure("list of one user", [&] { store_->list({.owner = "bob", .limit = 5}); });
    measure("list by duration", [&] { store_->list({.by_duration = true, .limit = 5}); });
    measure("list a workflow", [&] { store_->list({.workflow_id = "none", .limit = 5}); });
    measure("count", [&] { store_->count({}); });
    measure("count a state of one user",
            [&] { store_->count({.owner = "ann", .states = {State::failed}}); });
    measure("tidy", [&] {
      store_->tidy(WallTime{5000});
      cancel(*store_, "nothing");  // tidy answers nobody: wait for the next change
    });
    return costs;
  }

  /// A hundredfold store costs each call the same statements, and no more steps than a search tree
  /// that has grown by some levels.
  void expect_flat(const std::vector<std::map<std::string, Cost>>& sizes) {
    for (const auto& [name, least] : sizes.front())
      for (std::size_t i = 1; i < sizes.size(); ++i) {
        const Cost& more = sizes[i].at(name);
        // Two changes may share a BEGIN and COMMIT or not.
        EXPECT_LE(more.statements, least.statements + 2) << name << " with " << kSizes[i];
        EXPECT_LE(more.steps, least.steps + least.steps / 4 + 50)
            << name << " with " << kSizes[i] << ", it had " << least.steps;
      }
  }

  Meter meter_;
  SeededRandom random_{1};
  fs::path folder_ = fs::path{testing::TempDir()} / ("scale-" + std::to_string(getpid()));
  std::unique_ptr<JobStore> store_;
  int round_ = 0;
};

TEST_F(StoreScale, CostsTheSameWhateverTheHistory) {
  std::vector<std::map<std::string, Cost>> sizes;
  for (const int size : kSizes) {
    open();
    add("old", size, true);
    sizes.push_back(costs());
  }
  expect_flat(sizes);
  EXPECT_LE(sizes.front().at("accept").statements, 12);
  EXPECT_EQ(sizes.front().at("find").statements, 1);
}

TEST_F(StoreScale, CostsTheSameWhateverTheQueue) {
  std::vector<std::map<std::string, Cost>> sizes;
  for (const int size : kSizes) {
    open();
    add("waits", size, false);
    sizes.push_back(costs());
  }
  expect_flat(sizes);
}

TEST_F(StoreScale, ShowsTheQueueInStepsOfItsLength) {
  std::vector<Cost> sizes;
  for (const int size : kSizes) {
    open();
    add("old", 400, true);
    add("waits", size, false);
    store_->queue_ids("");
    sizes.push_back(Meter::of([&] {
      EXPECT_EQ(store_->queue_ids("").queued.size(), static_cast<std::size_t>(size) + 2);
    }));
  }
  EXPECT_EQ(sizes[2].statements, sizes[0].statements);
  EXPECT_LE(sizes[2].steps, sizes[1].steps * 11);
}

TEST_F(StoreScale, ForgetsALongHistoryInBatches) {
  open();
  add("old", 2000, true);
  EXPECT_TRUE(wait_for<Nothing>([&](auto done) { store_->forget("", {}, done); }).succeeded());
  EXPECT_EQ(store_->count({}), 1u) << "the one that waits";
}

TEST_F(StoreScale, TidiesInBatches) {
  open(100);
  add("old", 1500, true);
  store_->tidy(WallTime{5000});
  for (int i = 0; i < 10; ++i) cancel(*store_, "nothing");
  EXPECT_EQ(store_->count({.states = {State::succeeded, State::failed}}), 100u);
}

}  // namespace
}  // namespace comfy::jobs
