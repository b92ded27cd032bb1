// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/submission.h"

#include <gtest/gtest.h>

namespace comfy::graph {
namespace {

Submission good(const char* body) {
  return std::get<Submission>(read_submission(parse_json(body)));
}
std::string refusal_type(const char* body) {
  return std::get<Refusal>(read_submission(parse_json(body)))
      .body.at("error")
      .at("type")
      .as_string();
}

TEST(ReadSubmission, TakesTheFieldsApart) {
  const Submission submission = good(
      R"({"prompt": {}, "client_id": "c", "prompt_id": "p", "number": -2, "front": 1,
          "extra_data": {"extra_pnginfo": {}}, "partial_execution_targets": ["1", 2]})");
  EXPECT_EQ(submission.client_id, "c");
  EXPECT_EQ(submission.extra_data.at("client_id"), Json{"c"});
  EXPECT_EQ(submission.prompt_id, "p");
  EXPECT_EQ(submission.number, -2.0);
  EXPECT_TRUE(submission.front);
  EXPECT_EQ(submission.partial_execution_targets, std::vector<std::string>{"1"});
}

TEST(ReadSubmission, TakesNumbersAsIdsAndNullAsAbsent) {
  EXPECT_EQ(good(R"({"prompt": {}, "client_id": 5})").client_id, "5");
  EXPECT_EQ(good(R"({"prompt": {}, "client_id": null, "prompt_id": null})").prompt_id,
            std::nullopt);
  EXPECT_EQ(good(R"({"prompt": {}, "number": NaN})").number, std::nullopt);
}

TEST(ReadSubmission, RefusesMalformedFields) {
  for (const char* body :
       {R"({"prompt": {}, "client_id": {"a": 1}})", R"({"prompt": {}, "extra_data": null})",
        R"({"prompt": {}, "extra_data": "x"})", R"({"prompt": {}, "number": null})",
        R"({"prompt": {}, "number": "abc"})", R"({"prompt": {}, "partial_execution_targets": "2"})",
        R"({"prompt": {}, "partial_execution_targets": 5})", R"({"prompt": {}, "prompt_id": []})",
        R"({"prompt": {}, "extra_data": {"client_id": []}})"})
    EXPECT_EQ(refusal_type(body), "invalid_request") << body;
  for (const char* body : {"null", "[]", "\"hello\"", "{}", "5"})
    EXPECT_EQ(refusal_type(body), "no_prompt") << body;
}

TEST(Accept, RefusesWithTheBodyOfValidation) {
  const auto answer = accept(parse_json(R"({"prompt": {}})"), Catalogue{});
  EXPECT_EQ(to_json(std::get<Refusal>(answer).body),
            R"({"error": {"type": "prompt_no_outputs", "message": "Prompt has no outputs", )"
            R"("details": "", "extra_info": {}}, "node_errors": {}})");
}

}  // namespace
}  // namespace comfy::graph
