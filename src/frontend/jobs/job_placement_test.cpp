// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/strings.h"
#include "frontend/jobs/jobs_fixture.h"

namespace comfy::jobs {
namespace {

/// Workers of several kinds: their catalogue's hash is the classes they have, with blanks between.
class PlacementOfJobs : public JobsTest {
 protected:
  void begin_shared() {
    link_.shared = true;
    JobsOptions options;
    options.catalogue.classes = [](const std::string& hash) {
      Names names;
      for (const std::string_view name : split(hash, ' ')) names.emplace(name);
      return std::make_shared<const Names>(std::move(names));
    };
    options.catalogue.received = [](const std::string&, const Json&) {};
    options.catalogue.models = [this](auto names) { models_ = *names; };
    options.catalogue.needs = [](const Json& prompt, const std::vector<std::string>&) {
      graph::Requirements needs;
      for (const auto& [id, node] : prompt.as_object()) {
        needs.classes.push_back(node.at("class_type").as_string());
        if (const Json* model = node.find("model")) needs.models = {{model->as_string()}};
      }
      return needs;
    };
    begin(std::move(options));
  }
  void submit_for(const std::string& id, const std::string& node_class,
                  const std::string& model = {}) {
    Json node = Json::Object{{"class_type", node_class}};
    if (!model.empty()) node["model"] = model;
    Submission submission;
    submission.prompt_id = id;
    submission.prompt = submission.received = Json::Object{{"1", std::move(node)}};
    submission.outputs = {"1"};
    jobs_->accept(std::move(submission), [](const Answer<Accepted>&) {});
    settle();
  }
  void greet(const std::string& worker, const std::string& classes,
             const std::string& models_hash = {}, std::vector<std::string> loaded = {}) {
    say(link::to_message(
            link::Hello{.worker_id = worker,
                        .catalogue_hash = classes,
                        .models_hash = models_hash,
                        .state = Json::Object{{"loaded", Json::array(std::move(loaded))}}}),
        worker);
  }
  void tell_models(const std::string& worker, const std::string& hash, const char* folders) {
    link::Message models;
    models.type = Type::models;
    models.body["hash"] = hash;
    models.binary = link::deflate(folders);
    say(std::move(models), worker);
  }
  /// Who was shown that job alone, in turn.
  std::vector<std::string> shown(const std::string& id) const {
    std::vector<std::string> workers;
    for (const auto& [worker, message] : link_.sent)
      if (message.type == Type::job && message.prompt_id == id) workers.push_back(worker);
    return workers;
  }

  Names models_;
};

TEST_F(PlacementOfJobs, WhatAllCanRunGoesToTheCommonQueueAndTheRestToWhoCan) {
  begin_shared();
  greet("plain", "A");
  greet("rich", "A B");
  submit_for("common", "A");
  submit_for("special", "B");
  EXPECT_EQ(link_.offered, (std::vector<std::string>{"common"}));
  EXPECT_EQ(shown("special"), (std::vector<std::string>{"rich"}));
  EXPECT_TRUE(last(Type::job).body.at("only").as_bool());
  submit_for("next", "B");
  EXPECT_TRUE(shown("next").empty()) << "the only one who can is busy";
  submit_for("more", "A");
  EXPECT_EQ(link_.offered.size(), 2u) << "nobody waits behind a job of another kind";
  claim("special", "rich");
  finish(link::attempt_of(last(Type::go)), link::End::succeeded, "execution_success", "rich");
  EXPECT_EQ(shown("next"), (std::vector<std::string>{"rich"}));
}

TEST_F(PlacementOfJobs, AJobThatNobodyCanRunWaitsAndSaysWhy) {
  begin_shared();
  greet("plain", "A");
  submit_for("special", "B");
  EXPECT_TRUE(link_.offered.empty());
  const Json job = parse_json(*jobs_->job({}, "special"));
  EXPECT_EQ(job.at("status").as_string(), "pending");
  EXPECT_EQ(job.at("reason").as_string(), "no capable worker");
  EXPECT_EQ(job.at("reason_details").as_string(), "no worker has the node class \"B\"");
  EXPECT_EQ(jobs_->unplaced(), 1u);
  greet("rich", "B");
  EXPECT_EQ(shown("special"), (std::vector<std::string>{"rich"}));
  EXPECT_EQ(parse_json(*jobs_->job({}, "special")).find("reason"), nullptr);
  EXPECT_EQ(jobs_->unplaced(), 0u);
}

TEST_F(PlacementOfJobs, AWorkerThatTakesWhatItCannotRunIsSentAway) {
  begin_shared();
  submit_for("special", "B");  // nobody is there yet: into the common queue
  EXPECT_EQ(link_.offered, (std::vector<std::string>{"special"}));
  greet("plain", "A");
  claim("special", "plain");
  EXPECT_EQ(count(Type::go), 0u);
  EXPECT_EQ(last(Type::drop).prompt_id, "special");
  greet("rich", "B");
  EXPECT_EQ(shown("special"), (std::vector<std::string>{"rich"}));
}

TEST_F(PlacementOfJobs, GoesByTheModelsThatWorkersFind) {
  begin_shared();
  greet("one", "A", "m1");
  greet("two", "A", "m2");
  EXPECT_EQ(count(Type::need), 2u);
  tell_models("one", "m1", R"({"vae": ["x"]})");
  tell_models("two", "m2", R"({"vae": ["y"]})");
  EXPECT_EQ(models_, (Names{"vae/x", "vae/y"}));
  submit_for("a", "A", "vae/y");
  EXPECT_EQ(shown("a"), (std::vector<std::string>{"two"}));
  greet("two", "A", "m3");
  EXPECT_EQ(models_, (Names{"vae/x"})) << "what it had is gone";
}

TEST_F(PlacementOfJobs, PrefersTheIdleWorkerThatHoldsTheModelsReady) {
  begin_shared();
  greet("cold", "A");
  greet("warm", "A", "", {"vae/x"});
  submit_for("a", "A", "vae/x");
  EXPECT_EQ(shown("a"), (std::vector<std::string>{"warm"}));
  EXPECT_FALSE(last(Type::job).body.at("only").as_bool());
  submit_for("b", "A", "vae/x");
  EXPECT_EQ(link_.offered, (std::vector<std::string>{"b"})) << "not worth waiting for";
}

TEST_F(PlacementOfJobs, AWorkerBusyWithAnothersPromptIsNotAskedAgainUntilItGreets) {
  begin_shared();
  greet("plain", "A");
  greet("rich", "A B");
  submit_for("special", "B");
  say(link::about(Type::release, {.prompt_id = "special"}, Json::Object{{"reason", "busy"}}),
      "rich");
  EXPECT_EQ(shown("special").size(), 1u);
  greet("rich", "A B");
  EXPECT_EQ(shown("special").size(), 2u);
}

TEST_F(PlacementOfJobs, FindsOutWhatAnEarlierProcessAccepted) {
  begin_shared();
  submit_for("special", "B");
  begin_shared();  // and what it needs is not in the store
  greet("plain", "A");
  claim("special", "plain");
  EXPECT_EQ(count(Type::go), 0u);
  EXPECT_EQ(state("special"), "pending");
  greet("rich", "B");
  EXPECT_EQ(shown("special"), (std::vector<std::string>{"rich"}));
  claim("special", "rich");
  EXPECT_EQ(last(Type::go).attempt, 1) << "what was taken back does not count";
}

}  // namespace
}  // namespace comfy::jobs
