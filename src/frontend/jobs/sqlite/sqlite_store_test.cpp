// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/sqlite/sqlite_store.h"

#include "foundation/base/error.h"
#include "foundation/base/json.h"
#include "frontend/jobs/sqlite/database.h"
#include "frontend/jobs/sqlite/store_calls.h"
#include "frontend/jobs/sqlite/writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace comfy::jobs {
namespace {

namespace fs = std::filesystem;

/// A folder of its own for each test.
class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::unique_ptr<JobStore> open(std::size_t keep = 1000) {
    return open_sqlite_store({.file = file(), .history_max_jobs = keep, .reserve_bytes = 4096},
                             random_);
  }
  fs::path file() const { return folder_ / "jobs.db"; }

  SeededRandom random_{1};
  fs::path folder_ = fs::path{testing::TempDir()} / ("store-" + std::to_string(getpid()));
};

TEST_F(StoreTest, DrawsNumbersThatGrowAcrossRestarts) {
  std::vector<std::string> numbers;
  for (int start = 0; start < 2; ++start) {
    const auto store = open();
    const std::string name = std::to_string(start);
    NewJob in_front = job("front" + name);
    in_front.front = true;
    NewJob with_number = job("number" + name);
    with_number.number = 2.5;
    for (const NewJob& one : {job("a" + name), in_front, with_number, job("b" + name)})
      numbers.push_back(accept(*store, one).get().number);
  }
  EXPECT_EQ(numbers, (std::vector<std::string>{"0", "-1", "2.5", "2", "3", "-4", "2.5", "5"}));
}

TEST_F(StoreTest, AnswersTheSameForTheSameIdAndBody) {
  const auto store = open();
  EXPECT_FALSE(accept(*store, job("p")).get().repeated);
  const AcceptedJob again = accept(*store, job("p")).get();
  EXPECT_TRUE(again.repeated);
  EXPECT_EQ(again.number, "0");
  EXPECT_EQ(again.job.prompt_id, "p");
  EXPECT_EQ(store->queued_jobs().size(), 1u);
}

TEST_F(StoreTest, RefusesAnotherBodyUnderTheSameId) {
  const auto store = open();
  ASSERT_TRUE(accept(*store, job("p")).succeeded());
  const auto other = accept(*store, job("p", "other"));
  ASSERT_FALSE(other.succeeded());
  EXPECT_EQ(other.error().kind, Error::Kind::conflict);
  EXPECT_EQ(other.error().details, "prompt_id_conflict");
  NewJob theirs = job("p");
  theirs.owner = "somebody";
  const auto foreign = accept(*store, theirs);
  ASSERT_FALSE(foreign.succeeded());
  EXPECT_EQ(foreign.error().message.find("another content"), std::string::npos);
}

TEST_F(StoreTest, KnowsASubmissionByItsIdempotencyKeyPerUser) {
  const auto store = open();
  NewJob first = job("p1");
  first.idempotency_key = "key";
  NewJob second = job("p2");
  second.idempotency_key = "key";
  NewJob of_another = second;
  of_another.owner = "somebody";
  EXPECT_FALSE(accept(*store, first).get().repeated);
  EXPECT_EQ(accept(*store, second).get().job.prompt_id, "p1");
  EXPECT_FALSE(accept(*store, of_another).get().repeated);
}

TEST_F(StoreTest, FollowsTheTableOfStates) {
  const auto store = open();
  // queued -> cancelled, and nothing claims it any more
  accept(*store, job("cancelled"));
  EXPECT_EQ(cancel(*store, "cancelled").after, State::cancelled);
  EXPECT_FALSE(claim(*store, "cancelled", "t0"));
  EXPECT_TRUE(store->find("cancelled")->status.empty()) << "it must not show in history";
  // queued -> running -> succeeded; terminal stays
  accept(*store, job("ok"));
  EXPECT_EQ(claim(*store, "ok", "t1")->attempt, 1);
  EXPECT_FALSE(claim(*store, "ok", "t2")) << "it runs already";
  EXPECT_TRUE(finish(*store, "ok", 1, "t1").stored);
  EXPECT_FALSE(finish(*store, "ok", 1, "t1", State::failed).stored);
  EXPECT_EQ(cancel(*store, "ok").after, State::succeeded);
  EXPECT_EQ(state(*store, "ok"), State::succeeded);
  // a flag that came first wins over a good result, not over a failure
  accept(*store, job("flag"));
  claim(*store, "flag", "t3");
  EXPECT_EQ(cancel(*store, "flag").after, State::running);
  EXPECT_EQ(finish(*store, "flag", 1, "t3").state, State::cancelled);
  accept(*store, job("failed"));
  claim(*store, "failed", "t4");
  cancel(*store, "failed");
  EXPECT_EQ(finish(*store, "failed", 1, "t4", State::failed).state, State::failed);
}

TEST_F(StoreTest, GivesAJobThreeAttemptsAndThenNamesThem) {
  const auto store = open();
  accept(*store, job("p"));
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const std::string token = "t" + std::to_string(attempt);
    ASSERT_EQ(claim(*store, "p", token)->attempt, attempt);
    EXPECT_FALSE(lose(*store, "p", attempt, "stale").current);
    const LostResult result = lose(*store, "p", attempt, token);
    ASSERT_TRUE(result.current);
    EXPECT_EQ(result.state, attempt < 3 ? State::queued : State::failed);
    EXPECT_EQ(result.job.has_value(), attempt < 3);
  }
  const JobRecord record = *store->find("p");
  EXPECT_EQ(record.state, State::failed);
  const std::string message = parse_json(record.error).at("exception_message").as_string();
  EXPECT_NE(message.find("attempt 1 on w"), std::string::npos) << message;
  EXPECT_NE(message.find("attempt 3 on w"), std::string::npos) << message;
  EXPECT_NE(message.find("signal 11, SIGSEGV"), std::string::npos) << message;
}

TEST_F(StoreTest, DoesNotCountAnAttemptThatWasGivenBack) {
  const auto store = open();
  accept(*store, job("p"));
  for (int round = 0; round < 5; ++round) {
    const std::string token = "t" + std::to_string(round);
    ASSERT_EQ(claim(*store, "p", token)->attempt, 1);
    EXPECT_EQ(lose(*store, "p", 1, token, false).state, State::queued);
  }
  claim(*store, "p", "last");
  cancel(*store, "p");
  EXPECT_EQ(lose(*store, "p", 1, "last", false).state, State::cancelled)
      << "a cancelled job is not queued again";
}

TEST_F(StoreTest, CancelsOnlyWhatItsScopeNames) {
  using Scope = JobStore::CancelRequest::Scope;
  const auto store = open();
  accept(*store, job("queued"));
  accept(*store, job("running"));
  claim(*store, "running", "t");
  EXPECT_EQ(cancel(*store, "queued", Scope::running).after, State::queued);
  EXPECT_EQ(cancel(*store, "running", Scope::queued).after, State::running);
  EXPECT_EQ(finish(*store, "running", 1, "t").state, State::succeeded);
  EXPECT_FALSE(cancel(*store, "nobody").found);
}

TEST_F(StoreTest, KeepsSecretsApartAndOnlyAsLongAsTheyAreNeeded) {
  const auto store = open();
  NewJob secret = job("p");
  secret.secrets = R"({"token": "s3cret"})";
  accept(*store, secret);
  EXPECT_EQ(claim(*store, "p", "t")->secrets, secret.secrets);
  finish(*store, "p", 1, "t");
  Database database{file(), Database::Mode::read_write};
  EXPECT_EQ(database.integer("SELECT count(*) FROM secret"), 0);
}

TEST_F(StoreTest, KeepsHistoryAndQueueOverARestartToTheByte) {
  const auto history = [](JobStore& store) {
    std::string text;
    for (const std::string& id : store.history_ids({})) {
      const JobRecord record = *store.find(id);
      text += id + record.number + record.prompt + record.outputs + record.status + "\n";
    }
    for (const std::string& id : store.queue_ids("").queued) text += id + "\n";
    return text;
  };
  std::string before;
  {
    const auto store = open();
    for (const char* id : {"b", "a", "c"}) {
      accept(*store, job(id));
      claim(*store, id, id);
    }
    for (const char* id : {"c", "a", "b"}) finish(*store, id, 1, id);
    accept(*store, job("late"));
    NewJob front = job("early");
    front.front = true;
    accept(*store, front);
    before = history(*store);
  }
  EXPECT_EQ(before.substr(0, 2), "c2");
  EXPECT_NE(before.find("early\nlate\n"), std::string::npos) << before;
  EXPECT_EQ(history(*open()), before);
}

TEST_F(StoreTest, PagesThroughHistory) {
  const auto store = open();
  for (const char* id : {"1", "2", "3", "4"}) {
    accept(*store, job(id));
    claim(*store, id, id);
    finish(*store, id, 1, id);
  }
  const auto ids = [&](const HistoryPage& page) {
    std::string text;
    for (const std::string& id : store->history_ids(page)) text += id;
    return text;
  };
  EXPECT_EQ(ids({.limit = 2}), "34");
  EXPECT_EQ(ids({.limit = 2, .offset = 1, .from_newest = false}), "23");
  EXPECT_EQ(ids({.limit = 0}), "");
  const auto forget = [&](std::optional<std::vector<std::string>> which) {
    wait_for<Nothing>([&](auto done) { store->forget("", std::move(which), done); });
  };
  forget(std::vector<std::string>{"2", "unknown"});
  EXPECT_EQ(ids({}), "134");
  accept(*store, job("waits"));
  forget({});
  EXPECT_EQ(ids({}), "");
  EXPECT_TRUE(store->find("waits"));
}

TEST_F(StoreTest, RemovesTheOldestFinishedJobsBeyondItsLimit) {
  const auto store = open(2);
  accept(*store, job("waits"));
  for (const char* id : {"1", "2", "3", "4", "5"}) {
    accept(*store, job(id));
    claim(*store, id, id);
    finish(*store, id, 1, id);
  }
  store->tidy(WallTime{5000});
  accept(*store, job("after"));  // what was asked for before it is done now
  EXPECT_FALSE(store->find("3"));
  EXPECT_TRUE(store->find("4"));
  EXPECT_TRUE(store->find("waits"));
}

TEST_F(StoreTest, ListsJobsByStateTimeAndDuration) {
  const auto store = open();
  for (int i = 0; i < 4; ++i) {
    NewJob one = job(std::to_string(i));
    one.created = WallTime{1000 + i};
    one.workflow_id = i == 3 ? "flow" : "";
    accept(*store, one);
  }
  claim(*store, "1", "t");
  finish(*store, "1", 1, "t");
  EXPECT_EQ(store->list({}).front().prompt_id, "3");
  EXPECT_EQ(store->list({.ascending = true, .limit = 1, .offset = 1}).at(0).prompt_id, "1");
  EXPECT_EQ(store->count({.states = {State::queued}}), 3u);
  EXPECT_EQ(store->list({.workflow_id = "flow"}).size(), 1u);
  EXPECT_EQ(store->list({.states = {State::succeeded}}).at(0).ended, WallTime{3000});
}

TEST_F(StoreTest, ExpiresOnlyWhatStillWaits) {
  const auto store = open();
  NewJob late = job("late");
  late.expires = WallTime{1500};
  accept(*store, late);
  accept(*store, job("patient"));
  const auto expired = wait_for<std::vector<std::string>>(
      [&](auto done) { store->expire({"late", "patient", "unknown"}, WallTime{1600}, done); });
  EXPECT_EQ(expired.get(), std::vector<std::string>{"late"});
  EXPECT_EQ(state(*store, "late"), State::expired);
}

TEST_F(StoreTest, BelongsToOneServer) {
  const auto store = open();
  try {
    open();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::conflict);
  }
}

TEST_F(StoreTest, LeavesADatabaseOfSomebodyElseAlone) {
  {
    Database other{file(), Database::Mode::read_write};
    other.execute("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)");
  }
  const auto before = fs::file_size(file());
  EXPECT_THROW(open(), Error);
  EXPECT_EQ(fs::file_size(file()), before);
  Database other{file(), Database::Mode::read_write};
  EXPECT_EQ(other.integer("SELECT count(*) FROM sqlite_master"), 1);
}

TEST_F(StoreTest, RefusesASchemaOfANewerProgram) {
  open();
  Database{file(), Database::Mode::read_write}.execute("PRAGMA user_version = 99");
  try {
    open();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::unsupported);
    EXPECT_NE(error.message.find("99"), std::string::npos) << error.message;
  }
}

TEST_F(StoreTest, BringsAnOldStoreToTheNewestSchema) {
  {
    const auto store = open();
    for (const char* id : {"1", "2", "3"}) accept(*store, job(id));
    claim(*store, "1", "t");
    finish(*store, "1", 1, "t");
  }
  {
    // What version 1 had not.
    Database old{file(), Database::Mode::read_write};
    for (const char* trigger : {"job_came", "job_went", "job_changed"})
      old.execute(("DROP TRIGGER " + std::string{trigger}).c_str());
    for (const char* index : {"job_history", "job_history_of", "job_state", "job_duration",
                              "job_state_of", "job_workflow", "idempotency_created"})
      old.execute(("DROP INDEX " + std::string{index}).c_str());
    old.execute("DROP TABLE tally; PRAGMA user_version = 1");
  }
  const auto store = open();
  EXPECT_EQ(store->count({}), 3u);
  EXPECT_EQ(store->count({.states = {State::succeeded}}), 1u);
  EXPECT_EQ(store->list({.states = {State::queued}}).size(), 2u);
  EXPECT_EQ(store->queued_jobs().size(), 2u);
  EXPECT_EQ(state(*store, "1"), State::succeeded);
}

TEST_F(StoreTest, KeepsCountsThatAgreeWithItsRows) {
  const auto store = open(2);
  for (const char* owner : {"ann", "bob", ""})
    for (int i = 0; i < 4; ++i) {
      NewJob one = job(owner + std::to_string(i));
      one.owner = owner;
      accept(*store, one);
    }
  claim(*store, "ann0", "t1");
  finish(*store, "ann0", 1, "t1");
  claim(*store, "ann1", "t2");
  cancel(*store, "bob0");
  claim(*store, "0", "t3");
  finish(*store, "0", 1, "t3", State::failed);
  EXPECT_EQ(store->count({}), 12u);
  EXPECT_EQ(store->count({.owner = "ann"}), 4u);
  EXPECT_EQ(store->count({.owner = "ann", .states = {State::queued, State::running}}), 3u);
  EXPECT_EQ(store->list({.owner = "ann"}).size(), 4u);
  EXPECT_EQ(store->list({.by_duration = true, .limit = 1}).size(), 1u);
  store->tidy(WallTime{5000});
  EXPECT_EQ(wait_for<Nothing>([&](auto done) { store->forget("bob", {}, done); }).succeeded(),
            true);
  EXPECT_EQ(store->count({.owner = "bob"}), 3u);
  EXPECT_FALSE(store->find("ann0")) << "the oldest of three, of which two are kept";
  Database check{file(), Database::Mode::read_only};
  EXPECT_EQ(check.integer("SELECT count(*) FROM (SELECT owner, state, count(*), sum(bytes) FROM job"
                          " GROUP BY owner, state EXCEPT SELECT * FROM tally)"),
            0);
  EXPECT_EQ(check.integer("SELECT sum(jobs) FROM tally"),
            check.integer("SELECT count(*) FROM job"));
}

TEST_F(StoreTest, NamesADamagedFileAndRecoversWhatCanBeRead) {
  {
    const auto store = open();
    for (int i = 0; i < 50; ++i) accept(*store, job("p" + std::to_string(i)));
  }
  {
    std::fstream damage{file(), std::ios::in | std::ios::out | std::ios::binary};
    damage.write("garbage, not a database", 23);
  }
  try {
    open();
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message.find(file().string()), std::string::npos) << error.message;
    EXPECT_NE(error.message.find("--recover-store"), std::string::npos) << error.message;
  }
  // The header is mended, a page in the middle stays broken.
  {
    std::fstream damage{file(), std::ios::in | std::ios::out | std::ios::binary};
    damage.write("SQLite format 3\0\x10\0\2\2\0@ ", 23);
    damage.seekp(static_cast<std::streamoff>(fs::file_size(file())) - 2 * 4096);
    damage.write(std::string(4096, 'x').data(), 4096);
  }
  const std::size_t saved = recover_sqlite_store(file(), random_);
  EXPECT_GT(saved, 0u);
  EXPECT_EQ(open()->queued_jobs().size(), saved);
  EXPECT_TRUE(fs::exists(file().string() + ".damaged"));
}

TEST_F(StoreTest, StopsAcceptingWhileTheDiskIsFullButStillEndsWhatRuns) {
  auto database = std::make_unique<Database>(file(), Database::Mode::read_write);
  database->execute("CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(1000))");
  // Stands for the disk's end: SQLite says FULL at the next page.
  database->execute("PRAGMA max_page_count = 2");
  Writer writer{std::move(database), Reserve{folder_ / "reserve", 0}};
  const auto change = [&](bool accepts, const char* statement) {
    return wait_for<Nothing>([&](Done<Nothing> done) {
      writer.add<Nothing>(
          accepts,
          [statement](Database& one) {
            one.execute(statement);
            return Nothing{};
          },
          std::move(done));
    });
  };
  const auto refused = change(true, "INSERT INTO t VALUES (zeroblob(100000))");
  ASSERT_FALSE(refused.succeeded());
  EXPECT_EQ(refused.error().details, "disk_full");
  EXPECT_TRUE(change(false, "UPDATE t SET x = zeroblob(999)").succeeded());
  EXPECT_TRUE(change(false, "PRAGMA max_page_count = 1000").succeeded());
  EXPECT_TRUE(change(true, "INSERT INTO t VALUES (zeroblob(100000))").succeeded());
}

// --- Deaths at given points -------------------------------------------------------------------

/// Runs the test of that name (in this program) in a process of its own, which is to die at a
/// point.
int run_child(const std::string& test, const std::string& point, const fs::path& store) {
  std::vector<std::string> words{"/proc/self/exe", "--gtest_also_run_disabled_tests",
                                 "--gtest_filter=" + test};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::vector<std::string> settings{"COMFY_FAIL_AT=" + point, "STORE=" + store.string()};
  std::vector<char*> environment;
  for (std::string& setting : settings) environment.push_back(setting.data());
  environment.push_back(nullptr);
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  EXPECT_EQ(
      posix_spawn(&child, words[0].c_str(), &quiet, nullptr, arguments.data(), environment.data()),
      0);
  posix_spawn_file_actions_destroy(&quiet);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Not a test: what the child does.
TEST(StoreChild, DISABLED_AcceptsOneJobAfterTheOther) {
  const char* file = getenv("STORE");
  ASSERT_NE(file, nullptr);
  const auto store = open_sqlite_store({.file = file, .reserve_bytes = 0}, system_random());
  std::ofstream answered{std::string{file} + ".answered", std::ios::app};
  for (int i = 0; i < 10; ++i) {
    const std::string id = std::to_string(getpid()) + "-" + std::to_string(i);
    accept(*store, job(id));
    answered << id << std::endl;
  }
}

TEST_F(StoreTest, LosesNothingThatWasAnsweredWhenItsProcessDies) {
  constexpr int kKilled = 137;
  for (const char* point :
       {"before_commit:1", "after_commit:1", "before_commit:4", "after_commit:7"})
    ASSERT_EQ(run_child("StoreChild.*", point, file()), kKilled) << point;
  const auto store = open();
  EXPECT_TRUE(store->health().unclean_start);
  std::map<std::string, int> queued;
  for (const QueuedJob& one : store->queued_jobs()) ++queued[one.prompt_id];
  std::ifstream answered{file().string() + ".answered"};
  std::size_t count = 0;
  for (std::string id; answered >> id; ++count) EXPECT_EQ(queued[id], 1) << id;
  EXPECT_EQ(count, 0u + 0 + 3 + 6);
  // What was committed and not answered is there as well: the client asks again with its id.
  EXPECT_EQ(queued.size(), count + 2);
  const auto again = accept(*store, job(queued.begin()->first));
  EXPECT_TRUE(again.get().repeated);
}

}  // namespace
}  // namespace comfy::jobs
