// SPDX-License-Identifier: GPL-3.0-or-later
//
// A whole world in one thread: server, store, network, workers and clients, driven by a seed. Every
// seed is another course of deaths, cuts, pauses, duplicates and lost messages; the promises of the
// queue must hold in all of them.
#include "foundation/base/error.h"
#include "foundation/base/log.h"
#include "foundation/link/simulated/network.h"
#include "frontend/jobs/jobs.h"
#include "frontend/jobs/simulated/simulated_store.h"
#include "worker/attempts/log.h"
#include "worker/attempts/session.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace comfy::attempts {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr milliseconds kTrouble = 60s;  // how long things go wrong
constexpr milliseconds kRest = 400s;    // how long the world may take to come to rest
constexpr int kPrompts = 12;
constexpr int kWorkers = 2;

/// What the judge remembers about one prompt.
struct Case {
  bool answered = false;
  bool cancelled_while_queued = false;         ///< and the caller was told so
  int ends_told = 0;                           ///< terminal events that clients saw
  std::map<int, std::set<std::string>> files;  ///< names by node
};

/// What happened in all courses together.
struct Tally {
  int attempts = 0, lost_attempts = 0, succeeded = 0, cancelled = 0, failed = 0;
};

struct World;

/// The output folder that all workers share: names by ledger key, as FilePublisher does it.
struct Folder {
  std::map<std::string, std::string> ledger;
  int counter = 0;

  std::string publish(const std::string& key) {
    auto [entry, is_new] = ledger.try_emplace(key);
    if (is_new) entry->second = fmt::format("ComfyUI_{:05}_.png", ++counter);
    return entry->second;
  }
};

/// Holds messages back while the process at this end is stopped.
class PausableLink final : public link::ServerLink, link::ServerListener {
 public:
  PausableLink(std::unique_ptr<link::ServerLink> inner, const bool& paused)
      : inner_{std::move(inner)}, paused_{paused} {}
  void start(link::ServerListener& listener) override {
    listener_ = &listener;
    inner_->start(*this);
  }
  void send(link::Message message) override { inner_->send(std::move(message)); }
  bool flush(milliseconds patience) override { return inner_->flush(patience); }
  void resume() {
    for (link::Message& message : std::exchange(waiting_, {}))
      listener_->on_message(std::move(message));
    if (std::exchange(lost_, false)) listener_->on_server_lost();
  }

 private:
  void on_message(link::Message message) override {
    if (paused_) {
      waiting_.push_back(std::move(message));
    } else {
      listener_->on_message(std::move(message));
    }
  }
  void on_server_lost() override {
    if (paused_) {
      lost_ = true;
    } else {
      listener_->on_server_lost();
    }
  }

  std::unique_ptr<link::ServerLink> inner_;
  const bool& paused_;
  link::ServerListener* listener_ = nullptr;
  std::vector<link::Message> waiting_;
  bool lost_ = false;
};

/// A worker process: the real session, and a runner whose nodes only take time.
class Process final : public Runner, public std::enable_shared_from_this<Process> {
 public:
  Process(World& world, std::string name);
  void begin();
  void start(link::Go go, Cancellation cancellation) override;
  void free(bool, bool) override {}
  Json report() override { return Json::Object{}; }
  void forget(const link::AttemptId&, const std::string&) override {}
  void pause(milliseconds time);

  std::string name;

 private:
  struct Work {
    link::AttemptId id;
    Cancellation cancellation;
    int node = 0;
    int nodes = 1;
  };
  void tick();
  void step(Work work);
  void connect();
  template <class F>
  void later(milliseconds delay, F what);

  World& world_;
  bool paused_ = false;
  std::unique_ptr<Session> session_;
  std::unique_ptr<PausableLink> link_;
  bool connected_ = false;
};

struct World final : jobs::EventSink {
  explicit World(std::uint64_t seed)
      : scheduler{seed},
        random{seed},
        store{scheduler, random, {.max_delay = 10ms, .failure = seed % 5 == 0 ? 0.02 : 0}},
        network{scheduler,
                {.max_delay = milliseconds{1 + seed % 50},
                 .duplicate = seed % 3 == 0 ? 0.1 : 0,
                 .drop = seed % 4 == 0 ? 0.05 : 0}},
        workers_outlive_server{seed % 2 == 0} {
    // A record of an end may never change again.
    store.database().execute(
        "CREATE TABLE changed_end (prompt_id TEXT); CREATE TRIGGER end_is_final"
        " AFTER UPDATE OF state, status, outputs ON job WHEN OLD.state NOT IN ('queued', 'running')"
        " BEGIN INSERT INTO changed_end VALUES (OLD.prompt_id); END");
    network.on_kill([this](const std::string& worker) { kill(worker, "signal 9, SIGKILL"); });
  }

  void send(const jobs::TextEvent& event) override {
    if (event.type == "execution_success" || event.type == "execution_error" ||
        event.type == "execution_interrupted")
      ++cases[event.prompt_id].ends_told;
  }
  void send(const jobs::PreviewEvent&) override {}

  void start_server();
  void crash_server();
  void start_worker(const std::string& name);
  void kill(const std::string& name, const std::string& reason);
  void submit(const std::string& id);
  void cancel(const std::string& id);
  void trouble();
  void run();
  void judge();
  void count(Tally& tally) const;
  void run_until(milliseconds end) {
    while (scheduler.now() < end && scheduler.step()) {
    }
  }

  link::Scheduler scheduler;
  SeededRandom random;
  jobs::SimulatedStore store;
  link::SimulatedNetwork network;
  bool workers_outlive_server;
  std::uint64_t server_life = 0;
  std::unique_ptr<jobs::Jobs> jobs;
  std::map<std::string, std::shared_ptr<Process>> processes;
  std::map<std::string, Case> cases;
  Folder folder;
  bool calm = false;
};

Process::Process(World& world, std::string given) : name{std::move(given)}, world_{world} {
  SessionOptions options;
  options.hello.worker_id = name;
  options.on_server_lost = [this] {
    connected_ = false;
    if (!world_.workers_outlive_server)
      // As a child whose socket closed: it ends with the server.
      later(0ms, [this] { world_.kill(name, "exit status 0"); });
  };
  session_ = std::make_unique<Session>(std::move(options), *this, world.scheduler.clock());
}

template <class F>
void Process::later(milliseconds delay, F what) {
  world_.scheduler.after(delay, [weak = weak_from_this(), what = std::move(what)] {
    if (const auto alive = weak.lock()) what();
  });
}

void Process::begin() { tick(); }

void Process::tick() {
  later(100ms, [this] { tick(); });
  if (paused_) return;
  if (!connected_) connect();
  session_->tick();
}

void Process::connect() {
  auto end = world_.network.connect(name);
  if (!end) return;
  connected_ = true;
  link_ = std::make_unique<PausableLink>(std::move(end), paused_);
  session_->connect(*link_);
}

void Process::pause(milliseconds time) {
  paused_ = true;
  later(time, [this] {
    paused_ = false;
    if (link_) link_->resume();
  });
}

void Process::start(link::Go go, Cancellation cancellation) {
  EXPECT_FALSE(world_.cases[go.id.prompt_id].cancelled_while_queued)
      << go.id.prompt_id << " starts although it was cancelled while it waited";
  const int nodes = 1 + static_cast<int>(world_.scheduler.pick(4));
  later(1ms, [this, work = Work{go.id, cancellation, 0, nodes}] { step(work); });
}

void Process::step(Work work) {
  const auto again = [&](milliseconds delay) { later(delay, [this, work] { step(work); }); };
  if (paused_) return again(100ms);
  const link::Finish finish{.id = work.id, .started = 1ms, .ended = 2ms};
  const auto end = [&](link::End how, const char* message) {
    link::Finish made = finish;
    made.end = how;
    made.messages =
        Json::Array{Json::Array{message, Json::Object{{"prompt_id", work.id.prompt_id}}}};
    session_->finished(std::move(made));
  };
  if (work.cancellation.cancelled()) return end(link::End::cancelled, "execution_interrupted");
  if (work.node > 0) {
    const Session::Fence fence = session_->fence(work.id);
    if (fence == Session::Fence::closed) return again(100ms);
    if (fence == Session::Fence::lost) return end(link::End::cancelled, "execution_interrupted");
    const std::string key = fmt::format("{}/{}", work.id.prompt_id, work.node);
    world_.cases[work.id.prompt_id].files[work.node].insert(world_.folder.publish(key));
  }
  if (work.node == work.nodes) return end(link::End::succeeded, "execution_success");
  ++work.node;
  session_->event(work.id, "executing", Json::Object{{"node", std::to_string(work.node)}});
  later(world_.scheduler.between(10ms, 2s), [this, work] { step(work); });
}

void World::start_server() {
  const std::uint64_t life = ++server_life;
  jobs::JobsOptions options;
  options.restart = workers_outlive_server ? jobs::JobsOptions::Restart::attempts_may_live
                                           : jobs::JobsOptions::Restart::attempts_ended;
  jobs = std::make_unique<jobs::Jobs>(
      jobs::Jobs::Services{store, network.restart_server(), *this, scheduler.clock(), random},
      options);
  jobs->start(jobs::Jobs::Timer::driven);
  struct Tick {
    static void next(World& world, std::uint64_t of_life) {
      world.scheduler.after(50ms, [&world, of_life] {
        if (world.server_life != of_life || !world.jobs) return;
        world.jobs->tick();
        next(world, of_life);
      });
    }
  };
  Tick::next(*this, life);
  // Clients that got no answer ask again, under the same id.
  for (const auto& [id, one] : cases)
    if (!one.answered) submit(id);
}

void World::crash_server() {
  store.crash();
  jobs.reset();
  ++server_life;
  network.restart_server();  // nobody listens there until start_server
  scheduler.after(scheduler.between(100ms, 3s), [this] { start_server(); });
}

void World::start_worker(const std::string& name) {
  auto process = std::make_shared<Process>(*this, name);
  processes[name] = process;
  process->begin();
}

void World::kill(const std::string& name, const std::string& reason) {
  const auto found = processes.find(name);
  if (found == processes.end()) return;
  network.kill(name, {reason, 9});
  // What runs on this thread now may be the process itself.
  scheduler.after(0ms, [gone = found->second] {});
  processes.erase(found);
  scheduler.after(scheduler.between(1ms, 2s), [this, name] { start_worker(name); });
}

void World::submit(const std::string& id) {
  cases[id];
  if (!jobs) return;
  jobs::Submission submission;
  submission.prompt_id = id;
  submission.client_id = "client";
  submission.outputs = {"1"};
  submission.received = submission.prompt = Json::Object{{"1", Json::Object{}}};
  jobs->accept(std::move(submission), [this, id](const jobs::Answer<jobs::Accepted>& answer) {
    if (answer.succeeded()) {
      cases[id].answered = true;
    } else {
      scheduler.after(500ms, [this, id] { submit(id); });
    }
  });
}

void World::cancel(const std::string& id) {
  if (!jobs) return;
  jobs->cancel({}, {id}, [this, id](const jobs::Answer<std::vector<jobs::Cancelled>>& answer) {
    if (!answer.succeeded()) return;
    const jobs::Cancelled& result = answer.get().at(0);
    if (result.changed && result.state == "cancelled") cases[id].cancelled_while_queued = true;
  });
}

void World::trouble() {
  if (scheduler.now() >= kTrouble) return;
  const std::string worker = fmt::format("worker-{}", scheduler.pick(kWorkers));
  const std::string prompt = fmt::format("p{}", scheduler.pick(kPrompts));
  switch (scheduler.pick(12)) {
    case 0:
      if (jobs) crash_server();
      break;
    case 1:
    case 2:
      kill(worker, "signal 11, SIGSEGV");
      break;
    case 3:
      if (workers_outlive_server) network.cut(worker);
      break;
    case 4:
      if (processes.contains(worker)) processes[worker]->pause(scheduler.between(1s, 50s));
      break;
    case 5:
    case 6:
      if (cases.contains(prompt)) cancel(prompt);
      break;
    default:
      break;
  }
  scheduler.after(scheduler.between(0ms, 4s), [this] { trouble(); });
}

void World::run() {
  start_server();
  for (int i = 0; i < kWorkers; ++i) start_worker(fmt::format("worker-{}", i));
  for (int i = 0; i < kPrompts; ++i)
    scheduler.at(scheduler.between(0ms, kTrouble / 2),
                 [this, i] { submit(fmt::format("p{}", i)); });
  trouble();
  run_until(kTrouble);
  store.refuse_everything(false);
  network.calm();
  run_until(kTrouble + kRest);
  // Whatever happened, the next prompt runs.
  submit("last");
  run_until(kTrouble + kRest + 60s);
}

void World::judge() {
  ASSERT_TRUE(jobs);
  for (const auto& [id, one] : cases) {
    const auto record = store.find(id);
    ASSERT_TRUE(one.answered && record) << id << " was lost";
    EXPECT_TRUE(jobs::is_terminal(record->state))
        << id << " is still " << jobs::state_name(record->state);
    EXPECT_LE(one.ends_told, 1) << id << " ended more than once";
    if (one.cancelled_while_queued) {
      EXPECT_EQ(record->state, jobs::State::cancelled) << id;
    }
    for (const auto& [node, names] : one.files)
      EXPECT_EQ(names.size(), 1u) << "node " << node << " of " << id << " left several files";
    if (record->state == jobs::State::failed) {
      EXPECT_NE(record->error.find("attempt 3"), std::string::npos)
          << id << " failed: " << record->error;
    }
  }
  EXPECT_EQ(store.database().text("SELECT prompt_id FROM changed_end"), "")
      << "a record of an end was changed";
  EXPECT_EQ(store.find("last")->state, jobs::State::succeeded);
  EXPECT_EQ(store.count({}), cases.size()) << "a job that nobody submitted";
  EXPECT_EQ(jobs->counts().running, 0u);
  EXPECT_EQ(jobs->counts().pending, 0u);
}

void World::count(Tally& tally) const {
  const auto number = [&](const char* query) {
    return static_cast<int>(store.database().integer(query));
  };
  tally.attempts += number("SELECT count(*) FROM attempt");
  tally.lost_attempts += number("SELECT count(*) FROM attempt WHERE result LIKE 'worker_lost%'");
  tally.succeeded += number("SELECT count(*) FROM job WHERE state = 'succeeded'");
  tally.cancelled += number("SELECT count(*) FROM job WHERE state = 'cancelled'");
  tally.failed += number("SELECT count(*) FROM job WHERE state = 'failed'");
}

TEST(Simulation, KeepsItsPromisesInEveryCourseOfEvents) {
  // SIMULATION_SEEDS=100000 for a long run; SIMULATION_SEED=n repeats one.
  const char* one = std::getenv("SIMULATION_SEED");
  const char* many = std::getenv("SIMULATION_SEEDS");
  const std::uint64_t first = one ? std::strtoull(one, nullptr, 10) : 1;
  const std::uint64_t count = one ? 1 : many ? std::strtoull(many, nullptr, 10) : 500;
  if (!one) set_log_level(LogLevel::error);
  Tally tally;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE(fmt::format("SIMULATION_SEED={}", seed));
    World world{seed};
    world.run();
    world.judge();
    world.count(tally);
    if (testing::Test::HasFailure()) break;
  }
  set_log_level(LogLevel::info);
  RecordProperty("lost_attempts", tally.lost_attempts);
  log.info("{} seeds: {} attempts, {} of them lost; {} prompts succeeded, {} cancelled, {} failed",
           count, tally.attempts, tally.lost_attempts, tally.succeeded, tally.cancelled,
           tally.failed);
  if (count < 100) return;
  // A simulation in which nothing goes wrong would prove nothing.
  EXPECT_GT(tally.lost_attempts, static_cast<int>(count));
  EXPECT_GT(tally.cancelled, static_cast<int>(count / 4));
  EXPECT_GT(tally.failed, 0);
}

}  // namespace
}  // namespace comfy::attempts
