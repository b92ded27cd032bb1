// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/validate.h"

#include "foundation/base/error.h"
#include "foundation/graph/object_info.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace comfy::graph {
namespace {

InputDefinition required(std::string name, std::string type, Json::Object options = {}) {
  return {.name = std::move(name), .type = std::move(type), .options = std::move(options)};
}

/// Source -> Filter (in, amount) -> Show; Load reads a file; Sized has a validator.
Catalogue small_catalogue() {
  Catalogue catalogue;
  NodeDefinition source;
  source.id = "Source";
  source.inputs = {required("width", "INT", {{"min", 1}, {"max", 100}})};
  source.outputs = {{.type = "IMAGE", .name = "IMAGE"}};
  catalogue.add(source);
  NodeDefinition filter;
  filter.id = "Filter";
  filter.inputs = {
      required("image", "IMAGE"),
      required("amount", "FLOAT", {{"min", 0}, {"max", 1}}),
      {.name = "mode", .type = "COMBO", .combo = Combo::classic, .choices = {"soft", "hard"}}};
  filter.inputs[2].category = InputCategory::optional;
  filter.outputs = source.outputs;
  catalogue.add(filter);
  NodeDefinition show;
  show.id = "Show";
  show.output_node = true;
  show.inputs = {required("image", "IMAGE")};
  catalogue.add(show);
  NodeDefinition load;
  load.id = "Load";
  load.inputs = {{.name = "image",
                  .type = "COMBO",
                  .combo = Combo::classic,
                  .files = FileMark{{}, "image", {}, {}}}};
  load.outputs = source.outputs;
  catalogue.add(load);
  NodeDefinition sized = source;
  sized.id = "Sized";
  sized.has_validator = true;
  sized.validator_inputs = {"width"};
  catalogue.add(sized);
  return catalogue;
}

ValidationResult check(const char* prompt, ValidationOptions options = {}) {
  static const Catalogue catalogue = small_catalogue();
  return validate(parse_json(prompt), catalogue, options);
}

std::string first_error(const ValidationResult& result, const char* node,
                        const char* key = "type") {
  const Json* entry = result.node_errors.find(node);
  return entry ? entry->at("errors").as_array().at(0).at(key).as_string() : "(none)";
}

TEST(Validate, AcceptsAndCoercesAGoodPrompt) {
  const auto result = check(
      R"({"1":{"class_type":"Source","inputs":{"width":{"__value__":"8"}}},
          "2":{"class_type":"Filter","inputs":{"image":["1",0],"amount":1}},
          "3":{"class_type":"Show","inputs":{"image":["2",0]}}})");
  EXPECT_TRUE(result.accepted);
  EXPECT_EQ(result.outputs, std::vector<std::string>{"3"});
  EXPECT_EQ(result.prompt.at("1").at("inputs").at("width"), Json{8});
  EXPECT_EQ(result.prompt.at("2").at("inputs").at("amount"), Json{1.0});
}

TEST(Validate, FindsEveryErrorOfANode) {
  const auto result = check(
      R"({"2":{"class_type":"Filter","inputs":{"image":["2"],"amount":7,"mode":"odd"}},
          "3":{"class_type":"Show","inputs":{"image":["2",0]}}})");
  EXPECT_FALSE(result.accepted);
  const auto& errors = result.node_errors.find("2")->at("errors").as_array();
  ASSERT_EQ(errors.size(), 3u);
  EXPECT_EQ(errors[0].at("type"), Json{"bad_linked_input"});
  EXPECT_EQ(errors[1].at("message"), Json{"Value 7.0 bigger than max of 1"});
  EXPECT_EQ(errors[2].at("details"), Json{"mode: 'odd' not in ['soft', 'hard']"});
}

TEST(Validate, RunsTheGoodOutputsAndReportsTheOthers) {
  const auto result = check(
      R"({"1":{"class_type":"Source","inputs":{"width":8}},
          "3":{"class_type":"Show","inputs":{"image":["1",0]}},
          "4":{"class_type":"Show","inputs":{}}})");
  EXPECT_TRUE(result.accepted);
  EXPECT_EQ(result.outputs, std::vector<std::string>{"3"});
  EXPECT_EQ(first_error(result, "4"), "required_input_missing");
}

TEST(Validate, NamesTheNodesOfACycle) {
  const auto result = check(
      R"({"1":{"class_type":"Filter","inputs":{"image":["2",0],"amount":1}},
          "2":{"class_type":"Filter","inputs":{"image":["1",0],"amount":1}},
          "3":{"class_type":"Show","inputs":{"image":["1",0]}}})");
  EXPECT_FALSE(result.accepted);
  EXPECT_EQ(result.error.at("type"), Json{"prompt_outputs_failed_validation"});
  EXPECT_EQ(first_error(result, "2"), "dependency_cycle");
  EXPECT_EQ(result.error.at("details"), Json{"Dependency cycle detected: 1 -> 2 -> 1"});
}

TEST(Validate, ReportsAMissingSourceOnTheNodeThatNamesIt) {
  const auto inner = check(
      R"({"2":{"class_type":"Filter","inputs":{"image":["77",0],"amount":1}},
          "3":{"class_type":"Show","inputs":{"image":["2",0]}}})");
  EXPECT_EQ(first_error(inner, "2"), "exception_during_inner_validation");
  EXPECT_EQ(first_error(inner, "2", "details"), "'77'");
  const auto outer = check(R"({"3":{"class_type":"Show","inputs":{"image":["77",0]}}})");
  EXPECT_EQ(first_error(outer, "3"), "exception_during_validation");
}

TEST(Validate, RefusesAWireToNowhereInAnUndeclaredInput) {
  const auto result = check(
      R"({"1":{"class_type":"Source","inputs":{"width":8,"bogus":["77",0]}},
          "3":{"class_type":"Show","inputs":{"image":["1",0]}}})");
  EXPECT_FALSE(result.accepted);
  EXPECT_EQ(first_error(result, "1", "details"), "'77'");
}

TEST(Validate, LeavesLiteralListsInUndeclaredInputsAlone) {
  EXPECT_TRUE(check(R"({"1":{"class_type":"Source","inputs":{"width":8,"bogus":[1,2,3]}},
          "3":{"class_type":"Show","inputs":{"image":["1",0]}}})")
                  .accepted);
}

TEST(Validate, RefusesBadSlots) {
  for (const char* slot : {"-1", "1", "0.0", "false", "\"0\"", "null"}) {
    const std::string prompt =
        std::string{R"({"1":{"class_type":"Source","inputs":{"width":8}},)"} +
        R"("3":{"class_type":"Show","inputs":{"image":["1",)" + slot + "]}}}";
    const auto result = check(prompt.c_str());
    EXPECT_FALSE(result.accepted) << slot;
    EXPECT_EQ(first_error(result, "3"), "exception_during_validation") << slot;
  }
}

TEST(Validate, RefusesANanOutsideItsRange) {
  const auto result = check(
      R"({"1":{"class_type":"Source","inputs":{"width":8}},
          "2":{"class_type":"Filter","inputs":{"image":["1",0],"amount":NaN}},
          "3":{"class_type":"Show","inputs":{"image":["2",0]}}})");
  EXPECT_EQ(first_error(result, "2", "message"), "Value nan smaller than min of 0");
}

TEST(Validate, LooksForInputFiles) {
  ValidationOptions options;
  options.files.input_exists = [](const std::string& name) { return name == "there.png [output]"; };
  const char* prompt = R"({"1":{"class_type":"Load","inputs":{"image":"%"}},
          "3":{"class_type":"Show","inputs":{"image":["1",0]}}})";
  const auto with = [&](const char* text) {
    std::string filled = prompt;
    return check(filled.replace(filled.find("\"%\""), 3, text).c_str(), options);
  };
  EXPECT_TRUE(with("\"there.png [output]\"").accepted);
  EXPECT_EQ(first_error(with("\"gone.png\""), "1", "details"),
            "image - Invalid image file: gone.png");
  EXPECT_EQ(first_error(with("5"), "1"), "exception_during_inner_validation");
  EXPECT_EQ(first_error(with("5"), "1", "details"),
            "image must be the name of a file, got integer");
}

TEST(Validate, AsksANodesOwnValidatorInPlaceOfRanges) {
  const char* prompt = R"({"1":{"class_type":"Sized","inputs":{"width":5000}},
          "3":{"class_type":"Show","inputs":{"image":["1",0]}}})";
  EXPECT_TRUE(check(prompt).accepted);
  ValidationOptions options;
  options.validator = [](const ValidatorCall& call) -> std::optional<std::string> {
    return call.literals.find("width")->as_int() > 1000 ? std::optional<std::string>{"too wide"}
                                                        : std::nullopt;
  };
  const auto result = check(prompt, options);
  EXPECT_EQ(first_error(result, "1"), "custom_validation_failed");
  EXPECT_EQ(first_error(result, "1", "details"), "width - too wide");
  options.validator = [](const ValidatorCall&) -> std::optional<std::string> {
    throw Error(Error::Kind::internal, "it broke");
  };
  EXPECT_EQ(first_error(check(prompt, options), "1", "details"), "it broke");
}

TEST(Validate, RunsOnlyWantedOutputs) {
  const char* prompt = R"({"1":{"class_type":"Source","inputs":{"width":8}},
          "3":{"class_type":"Show","inputs":{"image":["1",0]}},
          "4":{"class_type":"Show","inputs":{"image":["1",0]}}})";
  EXPECT_EQ(check(prompt, {.partial_execution_targets = {{"4", "1"}}}).outputs,
            std::vector<std::string>{"4"});
  EXPECT_EQ(check(prompt, {.partial_execution_targets = {{"1"}}}).error.at("type"),
            Json{"prompt_no_outputs"});
}

TEST(Validate, SurvivesEveryShape) {
  for (const char* prompt :
       {"null", "5", "[1]", "\"x\"", R"({"1":5})", R"({"1":null})", R"({"1":[]})",
        R"({"1":{"class_type":null}})", R"({"1":{"class_type":"Show","inputs":null}})",
        R"({"1":{"class_type":"Show","inputs":5}})", R"({"1":{"class_type":"Show","inputs":[]}})",
        R"({"1":{"class_type":"Show","inputs":{"image":[[],0]}}})",
        R"({"1":{"class_type":"Show","inputs":{"image":{"__value__":[]}}}})"}) {
    const auto result = check(prompt);
    if (!result.accepted) {
      EXPECT_TRUE(result.error.is_object()) << prompt;
    }
  }
}

TEST(Validate, TakesAChainOfTenThousandNodesInLinearTime) {
  const auto seconds = [](int count) {
    std::string prompt = R"({"0":{"class_type":"Source","inputs":{"width":8}})";
    for (int i = 1; i < count; ++i)
      prompt += ",\"" + std::to_string(i) + R"(":{"class_type":"Filter","inputs":{"image":[")" +
                std::to_string(i - 1) + R"(",0],"amount":0.5}})";
    prompt += R"(,"out":{"class_type":"Show","inputs":{"image":[")" + std::to_string(count - 1) +
              R"(",0]}}})";
    const Json parsed = parse_json(prompt);
    static const Catalogue catalogue = small_catalogue();
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(validate(parsed, catalogue).accepted);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  seconds(1000);
  EXPECT_LT(seconds(10000), 2.0);
}

TEST(Validate, StaysSmallWhenThousandsOfOutputsFail) {
  std::string prompt = "{";
  for (int i = 0; i < 3000; ++i)
    prompt += (i ? ",\"" : "\"") + std::to_string(i) + R"(":{"class_type":"Show","inputs":{}})";
  const auto result = check((prompt + "}").c_str());
  EXPECT_EQ(result.node_errors.size(), 3000u);
  EXPECT_LE(result.node_errors.find("0")->at("dependent_outputs").as_array().size(), 100u);
}

}  // namespace
}  // namespace comfy::graph
