// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/jobs_fixture.h"

#include <cstdlib>
#include <map>

namespace comfy::jobs {
namespace {

TEST_F(JobsTest, AnswersWithANumberAndQueuesThePrompt) {
  begin();
  EXPECT_EQ(to_json(submit("a").get().number), "0");
  EXPECT_EQ(to_json(submit("b").get().number), "1");
  EXPECT_EQ(jobs_->counts().pending, 2u);
  EXPECT_EQ(jobs_->queue({}),
            R"({"queue_running": [], "queue_pending": [[0, "a", {"1": {"class_type": "X"}}, )"
            R"({"client_id": "me"}, ["1"]], [1, "b", {"1": {"class_type": "X"}}, )"
            R"({"client_id": "me"}, ["1"]]]})");
  EXPECT_TRUE(submit("a").get().repeated);
  EXPECT_EQ(jobs_->counts().pending, 2u);
}

TEST_F(JobsTest, RefusesWhenTheQueueIsFull) {
  begin({.max_queue_size = 2, .max_queue_per_user = 1});
  submit("a", "", "ann");
  const auto full_of_ann = submit("b", "", "ann");
  ASSERT_FALSE(full_of_ann.succeeded());
  EXPECT_EQ(full_of_ann.error().details, "queue_full");
  EXPECT_TRUE(submit("c", "", "bob").succeeded());
  EXPECT_FALSE(submit("d", "", "cid").succeeded());
}

TEST_F(JobsTest, AnswersAKnownPromptAlsoWhenTheQueueIsFull) {
  begin({.max_queue_size = 1});
  submit("a");
  const auto again = submit("a");
  ASSERT_TRUE(again.succeeded());
  EXPECT_TRUE(again.get().repeated);
  EXPECT_FALSE(submit("b").succeeded());
  EXPECT_EQ(state("b"), "unknown");
  hello();
  claim("a");
  EXPECT_TRUE(submit("b").succeeded()) << "a place is free again";
}

TEST_F(JobsTest, TellsClientsInTheOrderOfComfyUI) {
  begin();
  hello();
  const link::AttemptId id = run("a");
  report(id, 1, "execution_start");
  report(id, 2, "execution_cached");
  say(link::to_message(link::Preview{.id = id, .kind = 4, .bytes = "jpeg"}));
  report(id, 3, "executing", Json::Object{{"node", "1"}, {"display_node", "1"}});
  finish(id);
  EXPECT_EQ(sink_.lines,
            (std::vector<std::string>{"all: status", "all: status", "me: execution_start",
                                      "me: execution_cached", "me: preview 4", "me: executing",
                                      "me: execution_success", "all: status", "me: executing"}));
  EXPECT_EQ(sink_.texts.front(),
            R"({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 1}}}})");
  EXPECT_EQ(sink_.texts.back(),
            R"({"type": "executing", "data": {"node": null, "prompt_id": "a"}})");
  EXPECT_TRUE(last(Type::finished).body.bool_or("stored", false));
  EXPECT_EQ(state("a"), "completed");
  EXPECT_EQ(history_status("a"),
            R"({"status_str": "success", "completed": true, "messages": [["execution_start", )"
            R"({"prompt_id": "a", "timestamp": 5}], ["execution_success", {"prompt_id": "a", )"
            R"("timestamp": 5}]]})");
}

TEST_F(JobsTest, TellsEverybodyOfProgressWhenThePromptNamedNoClient) {
  begin();
  hello();
  submit("a", "");
  claim("a");
  const link::AttemptId id = link::attempt_of(last(Type::go));
  sink_.lines.clear();
  report(id, 1, "execution_start");
  report(id, 2, "progress_state");
  report(id, 3, "progress");
  report(id, 4, "executed");
  finish(id);
  EXPECT_EQ(sink_.lines,
            (std::vector<std::string>{"all: progress_state", "all: progress", "all: status"}));
}

TEST_F(JobsTest, PutsEventsInOrderAndPassesOverAGapAfterAWhile) {
  begin();
  hello();
  const link::AttemptId id = run("a");
  sink_.lines.clear();
  report(id, 2, "execution_cached");
  report(id, 1, "execution_start");
  report(id, 1, "execution_start");
  report(id, 5, "executed");
  EXPECT_EQ(sink_.lines, (std::vector<std::string>{"me: execution_start", "me: execution_cached"}));
  pass(300ms);
  EXPECT_EQ(sink_.lines.back(), "me: executed");
  report({"a", 1, "another token"}, 6, "progress");
  EXPECT_EQ(sink_.lines.back(), "me: executed");
  EXPECT_EQ(jobs_->counts().stale_results, 1u);
}

TEST_F(JobsTest, OffersOneJobToAnIdleWorkerAndTheNextAfterItsEnd) {
  begin();
  submit("a");
  submit("b");
  hello();
  EXPECT_EQ(count(Type::job), 1u);
  EXPECT_EQ(last(Type::job).prompt_id, "a");
  claim("a");
  const link::Go go = link::read_go(last(Type::go));
  EXPECT_EQ(go.outputs, std::vector<std::string>{"1"});
  EXPECT_EQ(go.client_id, "me");
  claim("a");  // its go was lost
  EXPECT_EQ(link::attempt_of(last(Type::go)), go.id);
  EXPECT_EQ(count(Type::go), 2u);
  EXPECT_EQ(count(Type::job), 1u);
  finish(go.id);
  EXPECT_EQ(last(Type::job).prompt_id, "b");
}

TEST_F(JobsTest, OffersAgainWhatNobodyClaims) {
  begin();
  hello("w.1");
  submit("a");
  pass(6s);
  EXPECT_GE(count(Type::job), 2u);
  claim("a");
  EXPECT_EQ(count(Type::go), 1u);
}

TEST_F(JobsTest, DropsAClaimOnWhatRunsElsewhereOrNowhere) {
  begin();
  hello("w.1");
  hello("w.2");
  run("a");
  claim("a", "w.2");
  EXPECT_EQ(last(Type::drop).prompt_id, "a");
  claim("unknown", "w.2");
  EXPECT_EQ(last(Type::drop).prompt_id, "unknown");
  EXPECT_EQ(count(Type::go), 1u);
}

TEST_F(JobsTest, RunsAJobAgainAfterACrashAndGivesUpAfterThree) {
  begin();
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const std::string worker = "w." + std::to_string(attempt);
    hello(worker);
    if (attempt == 1) submit("a");
    claim("a", worker);
    EXPECT_EQ(last(Type::go).attempt, attempt);
    link_.listener->on_worker_lost(worker, {"signal 11, SIGSEGV", 11});
    settle();
    EXPECT_EQ(state("a"), attempt < 3 ? "pending" : "failed");
  }
  const std::string text = jobs_->history_of({}, "a");
  EXPECT_NE(text.find("worker_lost (signal 11, SIGSEGV)"), std::string::npos) << text;
  EXPECT_EQ(*(sink_.lines.end() - 3), "me: execution_error");
  EXPECT_NE((sink_.texts.end() - 3)->find("signal 11"), std::string::npos);
  // The next prompt is not affected.
  hello("w.4");
  submit("b");
  EXPECT_EQ(last(Type::job).prompt_id, "b");
}

TEST_F(JobsTest, TakesBackAReleasedJobWithoutCountingIt) {
  begin();
  hello();
  for (int round = 0; round < 5; ++round) {
    if (round == 0) submit("a");
    claim("a");
    const link::AttemptId id = link::attempt_of(last(Type::go));
    EXPECT_EQ(id.attempt, 1);
    say(link::about(Type::release, id, Json::Object{{"reason", "drain"}}));
  }
  EXPECT_EQ(state("a"), "pending");
}

TEST_F(JobsTest, OffersNothingToAWorkerThatLeaves) {
  begin();
  hello();
  say(link::about(Type::release, {}, Json::Object{{"reason", "drain"}, {"leaving", true}}));
  submit("a");
  EXPECT_EQ(count(Type::job), 0u);
}

TEST_F(JobsTest, LosesAWorkerThatShowsNoSignOfLife) {
  begin();
  hello();
  const link::AttemptId id = run("a");
  for (int i = 1; i <= 10; ++i) {
    pass(5s);
    say(link::to_message(link::Renew{.id = id, .counter = static_cast<std::uint64_t>(i)}));
    EXPECT_FALSE(link::read_renewed(last(Type::renewed)).lost);
  }
  EXPECT_TRUE(link_.killed.empty());
  for (int i = 0; i < 7; ++i) {
    pass(5s);
    say(link::to_message(link::Renew{.id = id, .counter = 10}));  // the counter stands still
  }
  EXPECT_EQ(link_.killed, std::vector<std::string>{"w.1"});
  EXPECT_EQ(state("a"), "pending");
  say(link::to_message(link::Renew{.id = id, .counter = 11}));
  EXPECT_TRUE(link::read_renewed(last(Type::renewed)).lost);
  finish(id);
  EXPECT_FALSE(last(Type::finished).body.bool_or("stored", true));
  EXPECT_NE(state("a"), "completed");
  EXPECT_EQ(jobs_->counts().stale_results, 1u);
}

TEST_F(JobsTest, KeepsLeasesWhileItStoodStillItself) {
  begin();
  hello();
  run("a");
  scheduler_.after(60s, [] {});
  settle();
  jobs_->tick();
  settle();
  EXPECT_EQ(state("a"), "in_progress");
}

TEST_F(JobsTest, KeepsLeasesWhenTheWallClockJumps) {
  begin();
  hello();
  const auto id = run("a");
  submit("b");
  std::uint64_t counter = 0;
  for (const auto jump : {1h, -2h, 1h}) {
    scheduler_.shift_wall(jump);
    for (int i = 0; i < 8; ++i) {
      say(link::to_message(link::Renew{.id = id, .counter = ++counter}));
      pass(5s);
    }
  }
  EXPECT_EQ(state("a"), "in_progress");
  EXPECT_EQ(state("b"), "pending");
  finish(id);
  EXPECT_EQ(state("a"), "completed");
  EXPECT_TRUE(link_.killed.empty());
  EXPECT_EQ(jobs_->counts().stale_results, 0u);
}

TEST_F(JobsTest, HurriesAStopThatIsAskedForTwice) {
  begin();
  hello();
  run("a");
  jobs_->hurry();
  EXPECT_EQ(count(Type::shutdown), 0u) << "nothing was to be stopped";
  jobs_->stop(25s);
  EXPECT_EQ(last(Type::shutdown).body.int_or("drain_ms", -1), 25'000);
  jobs_->hurry();
  EXPECT_EQ(last(Type::shutdown).body.int_or("drain_ms", -1), 0);
}

// F20: whoever floods the queue does not keep the others waiting.
TEST_F(JobsTest, ServesUsersFairlyInAFlood) {
  constexpr int kFlood = 4'000;
  begin();
  for (int i = 0; i < kFlood; ++i) submit("flood" + std::to_string(i), "", "ann");
  for (int i = 0; i < kFlood / 8; ++i) {
    submit("bob" + std::to_string(i), "", "bob");
    submit("cid" + std::to_string(i), "", "cid");
  }
  const std::vector<std::string> workers{"w.1", "w.2", "w.3"};
  std::map<std::string, int> served;
  std::size_t offers = 0;
  for (const std::string& worker : workers) hello(worker);
  while (served["b"] < kFlood / 8 || served["c"] < kFlood / 8) {
    ASSERT_LT(offers, link_.sent.size()) << "nothing is handed out any more";
    const auto [worker, message] = link_.sent[offers++];
    if (message.type != Type::job) continue;
    const std::string user = message.prompt_id.substr(0, 1);
    ++served[user];
    claim(message.prompt_id, worker);
    const auto id = link::attempt_of(last(Type::go));
    scheduler_.after(10ms, [] {});
    settle();
    finish(id, link::End::succeeded, "execution_success", worker);
    // Run time is shared, and the store's answers take their own: the numbers differ by a few.
    for (const char* other : {"b", "c"})
      ASSERT_LE(std::abs(served["f"] - served[other]), 4 + served["f"] / 20) << served["f"];
  }
}

TEST_F(JobsTest, LosesAWorkerThatMakesNoProgressWhenAskedTo) {
  begin({.stall = 10s});
  hello();
  const link::AttemptId id = run("a");
  for (int i = 1; i <= 3; ++i) {
    pass(4s);
    say(link::to_message(
        link::Renew{.id = id, .counter = static_cast<std::uint64_t>(i), .progress = 7}));
  }
  EXPECT_TRUE(link_.killed.empty());
  pass(4s);
  EXPECT_EQ(link_.killed, std::vector<std::string>{"w.1"});
}

TEST_F(JobsTest, CancelsAQueuedJobSoThatItNeverRuns) {
  begin();
  submit("a");
  std::vector<Cancelled> result;
  jobs_->cancel({}, {"a", "unknown"},
                [&](Answer<std::vector<Cancelled>> answer) { result = answer.get(); });
  settle();
  ASSERT_EQ(result.size(), 2u);
  EXPECT_TRUE(result[0].changed);
  EXPECT_EQ(result[0].state, "cancelled");
  EXPECT_EQ(result[1].state, "");
  hello();
  claim("a");
  EXPECT_EQ(count(Type::go), 0u);
  EXPECT_EQ(jobs_->history_of({}, "a"), "{}");
  EXPECT_EQ(jobs_->counts().pending, 0u);
}

TEST_F(JobsTest, CancelBeatsAClaimThatComesLater) {
  begin();
  hello();
  submit("a");  // offered
  jobs_->cancel({}, {"a"}, [](const Answer<std::vector<Cancelled>>&) {});
  claim("a");
  EXPECT_EQ(count(Type::go), 0u);
  EXPECT_EQ(state("a"), "cancelled");
  submit("b");
  EXPECT_EQ(last(Type::job).prompt_id, "b") << "the worker must be idle again";
}

TEST_F(JobsTest, CancelReachesARunningAttemptByItsTokenAndInItsRenewals) {
  begin();
  hello();
  const link::AttemptId id = run("a");
  call([&](auto done) { jobs_->cancel({}, {"a"}, done); });
  EXPECT_EQ(link::attempt_of(last(Type::cancel)), id);
  say(link::to_message(link::Renew{.id = id, .counter = 1}));
  EXPECT_TRUE(link::read_renewed(last(Type::renewed)).cancel);
  finish(id, link::End::cancelled, "execution_interrupted");
  EXPECT_EQ(state("a"), "cancelled");
  EXPECT_NE(history_status("a").find("execution_interrupted"), std::string::npos);
}

TEST_F(JobsTest, CancelThatWasStoredBeforeTheResultWins) {
  begin();
  hello();
  const link::AttemptId id = run("a");
  call([&](auto done) { jobs_->cancel({}, {"a"}, done); });
  finish(id);
  EXPECT_EQ(state("a"), "cancelled");
  EXPECT_EQ(*(sink_.lines.end() - 3), "me: execution_interrupted");
  EXPECT_NE(history_status("a").find("execution_interrupted"), std::string::npos);
}

TEST_F(JobsTest, EndsAWorkerThatDoesNotReactToACancel) {
  begin({.cancel_grace = 2s});
  hello();
  const link::AttemptId id = run("a");
  call([&](auto done) { jobs_->interrupt({}, "a", done); });
  for (std::uint64_t i = 1; link_.killed.empty() && i < 50; ++i) {
    pass(100ms);
    say(link::to_message(link::Renew{.id = id, .counter = i}));
  }
  EXPECT_EQ(link_.killed, std::vector<std::string>{"w.1"});
  link_.listener->on_worker_lost("w.1", {"signal 9, SIGKILL", 9});
  settle();
  EXPECT_EQ(state("a"), "cancelled");
}

TEST_F(JobsTest, InterruptHitsRunningJobsOnly) {
  begin();
  hello();
  run("a");
  submit("b");
  call([&](auto done) { jobs_->interrupt({}, "b", done); });
  EXPECT_EQ(count(Type::cancel), 0u);
  EXPECT_EQ(state("b"), "pending");
  call([&](auto done) { jobs_->interrupt({}, {}, done); });
  EXPECT_EQ(count(Type::cancel), 1u);
  EXPECT_EQ(last(Type::cancel).prompt_id, "a");
}

TEST_F(JobsTest, DeletesAndClearsQueuedJobsOnly) {
  begin();
  hello();
  run("a");
  for (const char* id : {"b", "c", "d"}) submit(id);
  call([&](auto done) { jobs_->delete_queued({}, {"a", "c", "unknown"}, done); });
  EXPECT_EQ(state("a"), "in_progress");
  EXPECT_EQ(state("c"), "cancelled");
  EXPECT_EQ(jobs_->counts().pending, 2u);
  call([&](auto done) { jobs_->clear_queue({}, done); });
  EXPECT_EQ(jobs_->counts().pending, 0u);
  EXPECT_EQ(state("a"), "in_progress");
}

TEST_F(JobsTest, TouchesOnlyTheCallersJobs) {
  begin();
  submit("a", "", "ann");
  submit("b", "", "bob");
  call([&](auto done) { jobs_->clear_queue({"ann"}, done); });
  EXPECT_EQ(state("a"), "cancelled");
  EXPECT_EQ(state("b"), "pending");
  EXPECT_FALSE(jobs_->job({"ann"}, "b"));
  EXPECT_EQ(jobs_->queue({"ann"}), R"({"queue_running": [], "queue_pending": []})");
}

TEST_F(JobsTest, PausedItHandsNothingOut) {
  begin({.start_paused = true});
  hello();
  submit("a");
  EXPECT_EQ(count(Type::job), 0u);
  jobs_->resume();
  EXPECT_EQ(count(Type::job), 1u);
}

TEST_F(JobsTest, KeepsAResultUntilTheStoreTakesIt) {
  begin();
  hello();
  const link::AttemptId id = run("a");
  store_.refuse_everything(true);
  finish(id);
  EXPECT_EQ(state("a"), "in_progress");
  pass(3s);
  EXPECT_EQ(state("a"), "in_progress");
  store_.refuse_everything(false);
  pass(2s);
  EXPECT_EQ(state("a"), "completed");
}

TEST_F(JobsTest, PutsBackWhatAnEarlierServerLeftRunning) {
  begin();
  hello();
  run("a");
  submit("b");
  store_.crash();
  jobs_.reset();
  begin();
  settle();
  EXPECT_EQ(jobs_->counts().pending, 2u);
  hello("w.2");
  EXPECT_EQ(last(Type::job).prompt_id, "a") << "it keeps its place";
  claim("a", "w.2");
  EXPECT_EQ(last(Type::go).attempt, 2);
}

TEST_F(JobsTest, LetsALiveWorkerGoOnAfterARestartWhereWorkersOutliveServers) {
  begin();
  hello();
  const link::AttemptId id = run("a");
  store_.crash();
  jobs_.reset();
  begin({.restart = JobsOptions::Restart::attempts_may_live});
  hello("w.2", {id});
  finish(id);
  EXPECT_EQ(state("a"), "completed");
}

TEST_F(JobsTest, CatchesAClientUpInTheMiddleOfItsPrompt) {
  begin();
  hello();
  const link::AttemptId id = run("a");
  report(id, 1, "execution_start", Json::Object{{"prompt_id", "a"}});
  report(id, 2, "progress_state", Json::Object{{"prompt_id", "a"}});
  report(id, 3, "executing", Json::Object{{"node", "4"}, {"display_node", "4"}});
  const auto types = [&](std::optional<std::uint64_t> since) {
    std::string text;
    for (const TextEvent& event : jobs_->catch_up("me", since)) text += event.type + " ";
    return text;
  };
  EXPECT_EQ(types({}), "executing progress_state ");
  EXPECT_EQ(types(0), "execution_start executing progress_state ");
  EXPECT_EQ(types(1), "executing progress_state ");
  EXPECT_EQ(*jobs_->catch_up("me").front().text, R"({"type": "executing", "data": {"node": "4"}})");
  EXPECT_TRUE(jobs_->catch_up("somebody").empty());
}

TEST_F(JobsTest, AsksForACatalogueThatItDoesNotKnow) {
  std::string received;
  begin(
      {.catalogue = {.classes =
                         [](const std::string& hash) {
                           return hash == "old" ? std::make_shared<const Names>() : nullptr;
                         },
                     .received = [&](const std::string& hash, const Json&) { received = hash; }}});
  say(link::to_message(link::Hello{.worker_id = "w", .catalogue_hash = "old"}), "w.1");
  EXPECT_EQ(count(Type::need), 0u);
  say(link::to_message(link::Hello{.worker_id = "w", .catalogue_hash = "new"}), "w.2");
  EXPECT_EQ(count(Type::need), 1u);
  link::Message catalogue;
  catalogue.type = Type::catalogue;
  catalogue.body["hash"] = "new";
  catalogue.binary = link::deflate("{}");
  say(std::move(catalogue), "w.2");
  EXPECT_EQ(received, "new");
}

TEST_F(JobsTest, PassesOverMessagesThatMakeNoSense) {
  begin();
  hello();
  const link::AttemptId id = run("a");
  say(link::about(Type::finish, id));
  say(link::about(Type::event, id));
  say(link::about(Type::renew, {}));
  say(link::about(Type::go, id));
  EXPECT_EQ(jobs_->counts().ignored_messages, 4u);
  EXPECT_EQ(state("a"), "in_progress");
}

TEST_F(JobsTest, ExpiresWhatWaitedTooLong) {
  begin();
  Submission submission;
  submission.prompt_id = "a";
  submission.expires_at = scheduler_.clock().wall() + 1s;
  jobs_->accept(std::move(submission), [](const Answer<Accepted>&) {});
  settle();
  EXPECT_EQ(jobs_->counts().pending, 1u);
  pass(2s);
  EXPECT_EQ(jobs_->counts().pending, 0u);
  EXPECT_EQ(state("a"), "failed");
}

TEST_F(JobsTest, ListsJobsWithPagination) {
  begin();
  for (const char* id : {"a", "b", "c"}) submit(id);
  const Json page = parse_json(jobs_->list({}, {.states = {"pending"}, .limit = 2}));
  EXPECT_EQ(page.at("jobs").as_array().size(), 2u);
  EXPECT_EQ(to_json(page.at("pagination")),
            R"({"offset": 0, "limit": 2, "total": 3, "has_more": true})");
  EXPECT_EQ(to_json(parse_json(jobs_->list({}, {})).at("pagination").at("limit")), "3");
}

TEST_F(JobsTest, SendsAtMostTwentyStatusesASecondAndTheLastOneAlways) {
  begin();
  for (int i = 0; i < 40; ++i) submit("p" + std::to_string(i));
  const auto statuses =
      static_cast<std::size_t>(std::count(sink_.lines.begin(), sink_.lines.end(), "all: status"));
  EXPECT_LT(statuses, 40u);
  pass(200ms);
  EXPECT_NE(sink_.texts.back().find("\"queue_remaining\": 40"), std::string::npos);
}

}  // namespace
}  // namespace comfy::jobs
