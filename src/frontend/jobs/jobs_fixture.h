// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/error.h"
#include "foundation/link/bodies.h"
#include "foundation/link/worker_link.h"
#include "frontend/jobs/jobs.h"
#include "frontend/jobs/simulated/simulated_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace comfy::jobs {

using namespace std::chrono_literals;
using link::Type;

/// Keeps what the server says, and lets a test speak as a worker.
struct ScriptedLink final : link::WorkerLink {
  void start(link::WorkerListener& listens) override { listener = &listens; }
  void send(const link::WorkerKey& worker, link::Message message) override {
    sent.emplace_back(worker, std::move(message));
  }
  void kill(const link::WorkerKey& worker) override { killed.push_back(worker); }
  void stop(std::chrono::milliseconds) override {}
  bool is_shared() const override { return shared; }
  void offer(link::Message job, link::Urgency) override { offered.push_back(job.prompt_id); }

  bool shared = false;
  std::vector<std::string> offered;  // to whichever worker takes it
  link::WorkerListener* listener = nullptr;
  std::vector<std::pair<link::WorkerKey, link::Message>> sent;
  std::vector<link::WorkerKey> killed;
};

/// Keeps what clients would get, one line each: "<client>: <type> <text>".
struct Sink final : EventSink {
  void send(const TextEvent& event) override {
    lines.push_back(event.client_id.value_or("all") + ": " + event.type);
    texts.push_back(*event.text);
  }
  void send(const PreviewEvent& event) override {
    lines.push_back(event.client_id.value_or("all") + ": preview " + std::to_string(event.kind));
  }
  std::vector<std::string> lines;
  std::vector<std::string> texts;
};

class JobsTest : public testing::Test {
 protected:
  void begin(JobsOptions options = {}) {
    jobs_ = std::make_unique<Jobs>(
        Jobs::Services{store_, link_, sink_, scheduler_.clock(), random_}, std::move(options));
    jobs_->start(Jobs::Timer::driven);
    settle();
  }
  /// Lets the store answer.
  void settle() {
    while (scheduler_.step()) {
    }
  }
  void pass(std::chrono::milliseconds time) {
    for (auto end = scheduler_.now() + time; scheduler_.now() < end;) {
      scheduler_.after(100ms, [] {});
      settle();
      jobs_->tick();
      settle();
    }
  }

  Answer<Accepted> submit(const std::string& id, const std::string& client = "me",
                          const std::string& owner = {}) {
    Submission submission;
    submission.prompt_id = id;
    submission.owner = owner;
    submission.received = Json::Object{{"1", Json::Object{{"class_type", "X"}}}};
    submission.prompt = submission.received;
    submission.outputs = {"1"};
    if (!client.empty()) submission.client_id = client;
    std::optional<Answer<Accepted>> result;
    jobs_->accept(std::move(submission), [&](Answer<Accepted> answer) { result = answer; });
    settle();
    return *result;
  }

  void say(link::Message message, const std::string& worker = "w.1") {
    link_.listener->on_message(worker, std::move(message));
    settle();
  }
  void hello(const std::string& worker = "w.1", std::vector<link::AttemptId> running = {}) {
    say(link::to_message(link::Hello{.worker_id = worker, .running = std::move(running)}), worker);
  }
  void claim(const std::string& id, const std::string& worker = "w.1") {
    link::Message message;
    message.type = Type::claim;
    message.prompt_id = id;
    say(std::move(message), worker);
  }
  /// The last message of that type, which must be there.
  const link::Message& last(Type type) {
    const auto found = std::find_if(link_.sent.rbegin(), link_.sent.rend(),
                                    [&](const auto& sent) { return sent.second.type == type; });
    static const link::Message none;
    if (found == link_.sent.rend()) {
      ADD_FAILURE() << "no " << link::type_name(type) << " was sent";
      return none;
    }
    return found->second;
  }
  std::size_t count(Type type) const {
    return static_cast<std::size_t>(
        std::count_if(link_.sent.begin(), link_.sent.end(),
                      [&](const auto& sent) { return sent.second.type == type; }));
  }
  /// From submission to the worker's go.
  link::AttemptId run(const std::string& id) {
    submit(id);
    claim(id);
    return link::attempt_of(last(Type::go));
  }
  void report(const link::AttemptId& id, std::uint64_t seq, const std::string& name,
              Json data = Json::Object{}) {
    say(link::to_message(link::Event{.id = id, .seq = seq, .name = name, .data = std::move(data)}));
  }
  void finish(const link::AttemptId& id, link::End end = link::End::succeeded,
              const std::string& last_message = "execution_success",
              const std::string& worker = "w.1") {
    const Json data = Json::Object{{"prompt_id", id.prompt_id}, {"timestamp", 5}};
    say(link::to_message(link::Finish{
            .id = id,
            .end = end,
            .outputs = Json::Object{{"1", Json::Object{{"images", Json::Array{}}}}},
            .messages =
                Json::Array{Json::Array{"execution_start", data}, Json::Array{last_message, data}},
            .started = 1ms,
            .ended = 5ms}),
        worker);
  }
  std::string state(const std::string& id) {
    const auto job = jobs_->job({}, id);
    return job ? parse_json(*job).at("status").as_string() : "unknown";
  }
  std::string history_status(const std::string& id) {
    const Json entry = parse_json(jobs_->history_of({}, id));
    return entry.find(id) ? to_json(entry.at(id).at("status")) : "none";
  }
  template <class Call>
  void call(Call call) {
    bool answered = false;
    call([&](const auto& answer) { answered = answer.succeeded(); });
    settle();
    EXPECT_TRUE(answered);
  }

  link::Scheduler scheduler_{1};
  SeededRandom random_{1};
  SimulatedStore store_{scheduler_, random_, {}};
  ScriptedLink link_;
  Sink sink_;
  std::unique_ptr<Jobs> jobs_;
};

}  // namespace comfy::jobs
