// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/records.h"

#include "foundation/base/error.h"

#include <gtest/gtest.h>

namespace comfy::jobs {
namespace {

Submission submission(const char* prompt) {
  Submission made;
  made.prompt_id = "p";
  made.received = parse_json(prompt);
  made.prompt = made.received;
  made.outputs = {"9"};
  return made;
}

NewJob stored(Submission made) {
  SeededRandom random{1};
  return to_new_job(std::move(made), random, WallTime{7});
}

TEST(PromptId, HasANarrowAlphabet) {
  EXPECT_TRUE(is_prompt_id("aZ09._:-"));
  EXPECT_TRUE(is_prompt_id(std::string(128, 'x')));
  for (const std::string& bad : {std::string{}, std::string(129, 'x'), std::string{"a/b"},
                                 std::string{"a b"}, std::string{"\n"}, std::string{"é"}})
    EXPECT_FALSE(is_prompt_id(bad)) << bad;
  Submission made = submission("{}");
  made.prompt_id = "../x";
  EXPECT_THROW(stored(made), Error);
}

TEST(NewJob, HashDependsOnContentAndNotOnItsOrderOrSecrets) {
  Submission one = submission(R"({"a": 1, "b": [1, 2]})");
  Submission two = submission(R"({"b": [1, 2], "a": 1})");
  two.extra_data["token"] = "secret";
  EXPECT_EQ(stored(one).body_hash, stored(two).body_hash);
  for (const char* other : {R"({"a": 1.0, "b": [1, 2]})", R"({"a": 1, "b": [2, 1]})", "{}"})
    EXPECT_NE(stored(one).body_hash, stored(submission(other)).body_hash) << other;
  two = one;
  two.partial_targets = Json::Array{"9"};
  EXPECT_NE(stored(one).body_hash, stored(two).body_hash);
}

TEST(NewJob, KeepsSecretsOutOfExtraData) {
  Submission made = submission("{}");
  made.extra_data = parse_json(R"({"api_key_comfy_org": "k", "auth_token_comfy_org": "a",
      "extra_pnginfo": {"workflow": {"id": "w1"}}})");
  made.client_id = "me";
  const NewJob job = stored(made);
  EXPECT_EQ(job.extra_data, R"({"extra_pnginfo": {"workflow": {"id": "w1"}}, "client_id": "me"})");
  EXPECT_EQ(job.secrets, R"({"auth_token_comfy_org": "a", "api_key_comfy_org": "k"})");
  EXPECT_EQ(job.workflow_id, "w1");
  EXPECT_EQ(job.client_id, "me");
}

TEST(NewJob, TakesItsClassFromThePriority) {
  Submission made = submission("{}");
  made.extra_data["priority"] = "high";
  EXPECT_EQ(stored(made).job_class, Class::high);
  made.owner = "somebody";
  EXPECT_EQ(stored(made).job_class, Class::normal) << "with authentication it needs a permission";
  made.extra_data["priority"] = "low";
  EXPECT_EQ(stored(made).job_class, Class::low);
}

TEST(NewJob, IsRefusedWhenNoMessageCouldCarryIt) {
  Submission made = submission("{}");
  made.prompt = Json{std::string(17U << 20, 'x')};
  try {
    stored(made);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::too_large);
  }
}

TEST(Records, AreShownAsComfyUIShowsThem) {
  const JobRecord record{
      .prompt_id = "p",
      .state = State::succeeded,
      .number = "-3",
      .prompt = R"({"1": {}})",
      .extra_data = R"({"client_id": "c"})",
      .outputs_to_execute = R"(["1"])",
      .outputs = R"({"1": {"images": []}})",
      .meta = R"({"1": {}})",
      .status = R"({"status_str": "success", "completed": true, "messages": []})",
      .outputs_count = 2,
      .created = WallTime{1},
      .started = WallTime{2},
      .ended = WallTime{3}};
  EXPECT_EQ(queue_item(record), R"([-3, "p", {"1": {}}, {"client_id": "c"}, ["1"]])");
  EXPECT_EQ(history_entry(record),
            R"({"prompt": [-3, "p", {"1": {}}, {"client_id": "c"}, ["1"]], )"
            R"("outputs": {"1": {"images": []}}, )"
            R"("status": {"status_str": "success", "completed": true, "messages": []}, )"
            R"("meta": {"1": {}}})");
  const Json view = parse_json(job_view(record, Detail::full));
  EXPECT_EQ(view.at("status").as_string(), "completed");
  EXPECT_EQ(view.at("execution_end_time").as_int(), 3);
  EXPECT_EQ(view.find("preview_output"), nullptr);
  EXPECT_TRUE(view.at("workflow").at("prompt").is_object());
  EXPECT_EQ(parse_json(job_view(record, Detail::row)).find("workflow"), nullptr);
}

TEST(OutputSummary, PrefersAResultOverATemporaryPicture) {
  const OutputSummary summary = summarize(parse_json(R"({
    "1": {"images": [{"filename": "t.png", "type": "temp"}], "animated": [true]},
    "2": {"text": ["hello"]},
    "3": {"images": [{"filename": "o.png", "type": "output"}, {"filename": "p.png", "type": "output"}]}})"));
  EXPECT_EQ(summary.count, 4);
  EXPECT_EQ(to_json(summary.preview),
            R"({"filename": "o.png", "type": "output", "nodeId": "3", "mediaType": "images"})");
  EXPECT_TRUE(summarize(Json::Object{}).preview.is_null());
}

}  // namespace
}  // namespace comfy::jobs
