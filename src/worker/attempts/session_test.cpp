// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/attempts/session.h"

#include "foundation/base/error.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace comfy::attempts {
namespace {

using namespace std::chrono_literals;
using link::Type;

struct ScriptedLink final : link::ServerLink {
  void start(link::ServerListener& listener) override { server = &listener; }
  bool is_shared() const override { return shared; }
  void send(link::Message message) override {
    const std::lock_guard lock{mutex};
    sent.push_back(std::move(message));
  }
  bool flush(std::chrono::milliseconds) override { return true; }

  bool shared = false;
  link::ServerListener* server = nullptr;
  mutable std::mutex mutex;
  std::vector<link::Message> sent;
};

struct ScriptedRunner final : Runner {
  void start(link::Go go, Cancellation given) override {
    started.push_back(go.id);
    cancellation = given;
  }
  void free(bool unload_models, bool free_memory) override {
    freed = (unload_models ? 1 : 0) + (free_memory ? 2 : 0);
  }
  Json report() override { return Json::Object{{"devices", Json::Array{}}}; }
  void forget(const link::AttemptId& id, const std::string&) override {
    forgotten.push_back(id.prompt_id);
  }

  std::vector<link::AttemptId> started;
  std::vector<std::string> forgotten;
  Cancellation cancellation;
  int freed = 0;
};

class SessionTest : public testing::Test {
 protected:
  SessionTest() : session_{{.hello = {.worker_id = "w"}}, runner_, clock_} {
    session_.connect(link_);
  }

  void hear(Type type, const link::AttemptId& id = {}, Json body = Json::Object{}) {
    session_.on_message(link::about(type, id, std::move(body)));
  }
  void get_job(const link::AttemptId& id = {"p", 1, "t"}) {
    hear(Type::job, {.prompt_id = id.prompt_id, .attempt = 0, .token = {}});
    session_.on_message(
        link::to_message(link::Go{.id = id, .prompt = Json::Object{}, .owner = {}}));
  }
  void finish(const link::AttemptId& id, link::End end = link::End::succeeded) {
    session_.finished({.id = id, .end = end});
  }
  std::size_t count(Type type) const {
    const std::lock_guard lock{link_.mutex};
    return static_cast<std::size_t>(
        std::count_if(link_.sent.begin(), link_.sent.end(),
                      [&](const link::Message& message) { return message.type == type; }));
  }
  link::Message last(Type type) const {
    const std::lock_guard lock{link_.mutex};
    return *std::find_if(link_.sent.rbegin(), link_.sent.rend(),
                         [&](const link::Message& message) { return message.type == type; });
  }
  void pass(std::chrono::milliseconds time) {
    clock_.advance(time);
    session_.tick();
  }
  void answer_renewal(bool lost = false, bool cancel = false) {
    const link::Renew renew = link::read_renew(last(Type::renew));
    session_.on_message(link::to_message(
        link::Renewed{.id = renew.id, .counter = renew.counter, .cancel = cancel, .lost = lost}));
  }

  const link::AttemptId id_{"p", 1, "t"};
  ManualClock clock_;
  ScriptedRunner runner_;
  ScriptedLink link_;
  Session session_;
};

TEST_F(SessionTest, SpeaksFirstAndClaimsWhatItIsOffered) {
  ASSERT_EQ(link_.sent.size(), 1u);
  EXPECT_EQ(link_.sent[0].type, Type::hello);
  hear(Type::job, {.prompt_id = "p", .attempt = 0, .token = {}});
  EXPECT_EQ(last(Type::claim).prompt_id, "p");
  EXPECT_TRUE(runner_.started.empty()) << "nothing runs before go";
  hear(Type::job, {.prompt_id = "q", .attempt = 0, .token = {}});
  EXPECT_EQ(count(Type::claim), 1u) << "one at a time";
  pass(3s);
  EXPECT_EQ(count(Type::claim), 2u) << "an unanswered claim is repeated";
  hear(Type::drop, {.prompt_id = "p", .attempt = 0, .token = {}});
  hear(Type::job, {.prompt_id = "q", .attempt = 0, .token = {}});
  EXPECT_EQ(last(Type::claim).prompt_id, "q");
}

TEST_F(SessionTest, RunsAnAttemptOnceHoweverOftenItIsTold) {
  get_job();
  get_job();
  EXPECT_EQ(runner_.started, std::vector<link::AttemptId>{id_});
  session_.on_message(link::to_message(link::Go{.id = {"q", 1, "u"}, .prompt = {}, .owner = {}}));
  EXPECT_EQ(last(Type::release).prompt_id, "q") << "what was not asked for is given back";
}

TEST_F(SessionTest, NumbersTheEventsOfEachAttempt) {
  get_job();
  session_.event(id_, "execution_start", Json::Object{});
  session_.event(id_, "executing", Json::Object{});
  session_.event({"p", 1, "old"}, "executing", Json::Object{});
  EXPECT_EQ(count(Type::event), 2u);
  EXPECT_EQ(link::read_event(last(Type::event)).seq, 2u);
  finish(id_);
  hear(Type::finished, id_, Json::Object{{"stored", true}});
  get_job({"q", 1, "u"});
  session_.event({"q", 1, "u"}, "execution_start", Json::Object{});
  EXPECT_EQ(link::read_event(last(Type::event)).seq, 1u);
}

TEST_F(SessionTest, RepeatsItsResultUntilItIsAcknowledged) {
  get_job();
  finish(id_);
  EXPECT_EQ(count(Type::finish), 1u);
  pass(3s);
  EXPECT_EQ(count(Type::finish), 2u);
  hear(Type::job, {.prompt_id = "q", .attempt = 0, .token = {}});
  EXPECT_EQ(count(Type::claim), 1u) << "no new job before that";
  EXPECT_TRUE(runner_.forgotten.empty());
  hear(Type::finished, id_, Json::Object{{"stored", true}});
  EXPECT_EQ(runner_.forgotten, std::vector<std::string>{"p"});
  pass(3s);
  EXPECT_EQ(count(Type::finish), 2u);
}

TEST_F(SessionTest, RenewsEveryFiveSeconds) {
  get_job();
  for (int i = 0; i < 3; ++i) {
    pass(5001ms);
    EXPECT_EQ(count(Type::renew), static_cast<std::size_t>(i + 1));
    EXPECT_EQ(link::read_renew(last(Type::renew)).counter, static_cast<std::uint64_t>(i + 1));
  }
}

TEST_F(SessionTest, ClosesTheFenceWithoutAnswersAndOpensItWithTheNext) {
  get_job();
  EXPECT_EQ(session_.fence(id_), Session::Fence::open);
  for (int i = 0; i < 5; ++i) pass(5001ms);
  EXPECT_EQ(session_.fence(id_), Session::Fence::closed);
  finish(id_);
  EXPECT_EQ(count(Type::finish), 0u) << "a result is not published behind a closed fence";
  answer_renewal();
  EXPECT_EQ(session_.fence(id_), Session::Fence::open);
  EXPECT_EQ(count(Type::finish), 1u);
}

TEST_F(SessionTest, PassesAClosedFenceAsSoonAsARenewalIsAnswered) {
  get_job();
  clock_.advance(60s);  // as after a stop of the whole process
  std::thread node{[&] { session_.pass_fence(id_); }};
  while (count(Type::renew) == 0) std::this_thread::sleep_for(1ms);
  answer_renewal();
  node.join();
  EXPECT_EQ(session_.fence(id_), Session::Fence::open);
}

TEST_F(SessionTest, StopsAndDropsWhatItHasWhenTheAttemptIsLost) {
  get_job();
  pass(6s);
  answer_renewal(true);
  EXPECT_TRUE(runner_.cancellation.cancelled());
  EXPECT_EQ(session_.fence(id_), Session::Fence::lost);
  EXPECT_THROW(session_.pass_fence(id_), Error);
  session_.event(id_, "executed", Json::Object{});
  EXPECT_EQ(count(Type::event), 0u);
  finish(id_);
  EXPECT_EQ(count(Type::finish), 0u);
  EXPECT_EQ(last(Type::release).body.string_or("reason", ""), "lost");
  get_job({"q", 1, "u"});
  EXPECT_EQ(runner_.started.size(), 2u);
}

TEST_F(SessionTest, CancelsExactlyTheAttemptThatIsNamed) {
  get_job();
  hear(Type::cancel, {"p", 1, "another"});
  hear(Type::cancel, {"q", 1, "t"});
  EXPECT_FALSE(runner_.cancellation.cancelled());
  hear(Type::cancel, id_);
  EXPECT_TRUE(runner_.cancellation.cancelled());
  finish(id_, link::End::cancelled);
  EXPECT_EQ(count(Type::finish), 1u);
}

TEST_F(SessionTest, LearnsOfACancelFromItsRenewal) {
  get_job();
  pass(6s);
  answer_renewal(false, true);
  EXPECT_TRUE(runner_.cancellation.cancelled());
}

TEST_F(SessionTest, EndsAtOnceWhenItHasNothingToDo) {
  session_.drain(25s);
  EXPECT_TRUE(session_.ended());
  EXPECT_TRUE(last(Type::release).body.bool_or("leaving", false));
}

TEST_F(SessionTest, FinishesWhatRunsWithinTheDrain) {
  get_job();
  session_.drain(25s);
  pass(10s);
  EXPECT_FALSE(session_.ended());
  EXPECT_FALSE(runner_.cancellation.cancelled());
  finish(id_);
  EXPECT_FALSE(session_.ended()) << "the result is not acknowledged yet";
  hear(Type::finished, id_, Json::Object{{"stored", true}});
  EXPECT_TRUE(session_.ended());
}

TEST_F(SessionTest, GivesTheAttemptBackWhenTheDrainIsOver) {
  get_job();
  session_.drain(25s);
  pass(26s);
  EXPECT_TRUE(runner_.cancellation.cancelled());
  finish(id_, link::End::cancelled);
  EXPECT_EQ(count(Type::finish), 0u);
  EXPECT_TRUE(session_.ended());
  EXPECT_EQ(count(Type::release), 2u);
  EXPECT_EQ(link_.sent[link_.sent.size() - 2].token, "t");
}

TEST_F(SessionTest, LeavesWithoutAStepThatDoesNotEnd) {
  get_job();
  hear(Type::shutdown, {}, Json::Object{{"drain_ms", 1000}});
  pass(1001ms);
  EXPECT_FALSE(session_.ended());
  pass(2001ms);
  EXPECT_TRUE(session_.ended());
  EXPECT_EQ(last(Type::release).token, "t");
  EXPECT_EQ(session_.fence(id_), Session::Fence::lost);
}

TEST_F(SessionTest, TellsAServerThatComesBackWhatItRuns) {
  get_job();
  session_.on_server_lost();
  session_.event(id_, "executing", Json::Object{});
  ScriptedLink again;
  session_.connect(again);
  ASSERT_GE(again.sent.size(), 2u);
  EXPECT_EQ(link::read_hello(again.sent[0]).running, std::vector<link::AttemptId>{id_});
  EXPECT_EQ(again.sent[1].type, Type::renew);
}

TEST_F(SessionTest, PassesOnWhatIsToBeFreed) {
  hear(Type::free, {}, Json::Object{{"unload_models", true}, {"free_memory", true}});
  EXPECT_EQ(runner_.freed, 3);
}

TEST_F(SessionTest, AnswersASnapshot) {
  get_job();
  session_.event(id_, "execution_start", Json::Object{{"a", 1}});
  session_.event(id_, "progress_state", Json::Object{{"b", 2}});
  hear(Type::snapshot, id_);
  EXPECT_EQ(to_json(last(Type::snapshot).body),
            R"({"messages": [["execution_start", {"a": 1}]], "progress_state": {"b": 2}})");
}

TEST_F(SessionTest, KeepsWhatOnlyItCanRunUntilItIsIdle) {
  link_.shared = true;
  get_job();
  hear(Type::job, {.prompt_id = "only"}, Json::Object{{"only", true}});
  hear(Type::job, {.prompt_id = "only"}, Json::Object{{"only", true}});
  hear(Type::job, {.prompt_id = "other"}, Json::Object{{"only", false}});
  EXPECT_EQ(count(Type::release), 1u);
  EXPECT_EQ(last(Type::release).prompt_id, "other");
  EXPECT_EQ(last(Type::release).body.at("reason").as_string(), "busy");
  finish({"p", 1, "t"});
  hear(Type::finished, {"p", 1, "t"}, Json::Object{{"stored", true}});
  EXPECT_EQ(last(Type::claim).prompt_id, "only");
  const std::size_t greetings = count(Type::hello);
  hear(Type::drop, {.prompt_id = "only"});
  EXPECT_EQ(count(Type::hello), greetings + 1) << "who was turned away learns that it is idle";
  hear(Type::drop, {.prompt_id = "nothing"});
  EXPECT_EQ(count(Type::claim), 2u);
}

TEST_F(SessionTest, ForgetsWhatItKeptWhenItIsTakenBack) {
  link_.shared = true;
  get_job();
  hear(Type::job, {.prompt_id = "only"}, Json::Object{{"only", true}});
  hear(Type::drop, {.prompt_id = "only"});
  finish({"p", 1, "t"});
  hear(Type::finished, {"p", 1, "t"}, Json::Object{{"stored", true}});
  EXPECT_EQ(count(Type::claim), 1u);
}

TEST_F(SessionTest, TellsWhichModelsItFindsWhenTheyChange) {
  session_.set_models("m1", Json::Object{{"vae", Json::Array{"x"}}});
  EXPECT_EQ(last(Type::hello).body.at("models_hash").as_string(), "m1");
  const std::size_t greetings = count(Type::hello);
  session_.set_models("m1", Json::Object{});
  EXPECT_EQ(count(Type::hello), greetings);
  hear(Type::need, {.store = "s"}, Json::Object{{"what", "models"}});
  EXPECT_EQ(last(Type::models).store, "s");
  EXPECT_EQ(link::inflate(last(Type::models).binary, 1000), R"({"vae":["x"]})");
}

TEST_F(SessionTest, TellsWithItsResultWhatItHoldsReady) {
  get_job();
  finish({"p", 1, "t"});
  EXPECT_NE(last(Type::finish).body.at("state").find("devices"), nullptr);
}

}  // namespace
}  // namespace comfy::attempts
