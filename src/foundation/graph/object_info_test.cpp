// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/object_info.h"

#include "foundation/base/error.h"
#include "foundation/graph/recorded.h"

#include <gtest/gtest.h>

namespace comfy::graph {
namespace {

void comes_back_equal(const Json& answer) {
  const Catalogue catalogue = Catalogue::from_json(catalogue_from_object_info(answer).to_json());
  for (const auto& [id, entry] : answer.as_object())
    EXPECT_EQ(to_json(object_info(*catalogue.find(id), {})), to_json(entry)) << id;
  EXPECT_EQ(catalogue.size(), answer.as_object().size());
}

TEST(ObjectInfo, ServesEveryRecordedClassUnchanged) {
  const std::optional<Json> answer = recorded_json("object_info-0.3.64.json");
  if (!answer) GTEST_SKIP() << "the recorded object_info is not here";
  comes_back_equal(*answer);
}

TEST(ObjectInfo, ServesEveryClassOfTheTestingPackUnchanged) {
  const std::optional<Json> answer = recorded_json("object_info-testing-pack.json");
  if (!answer) GTEST_SKIP() << "the recorded object_info is not here";
  comes_back_equal(*answer);
}

TEST(ObjectInfo, WritesBothStyles) {
  const char* classic = R"({"A": {"input": {"required": {"seed": ["INT", {"default": 0, )"
                        R"("max": 18446744073709551615}], "mode": [["x", "y"]]}, "hidden": )"
                        R"({"prompt": "PROMPT"}}, "input_order": {"required": ["seed", "mode"], )"
                        R"("hidden": ["prompt"]}, "output": ["IMAGE"], "output_is_list": [false], )"
                        R"("output_name": ["IMAGE"], "name": "A", "display_name": "A", )"
                        R"("description": "", "python_module": "nodes", "category": "image", )"
                        R"("output_node": false, "output_tooltips": ["Pixels."]}})";
  comes_back_equal(parse_json(classic));
  const char* schema = R"({"B": {"input": {"required": {"mode": ["COMBO", {"multiselect": false, )"
                       R"("options": ["x"], "video_upload": true}]}}, "input_order": {"required": )"
                       R"(["mode"]}, "output": ["*"], "output_is_list": [true], "output_name": )"
                       R"(["out"], "output_tooltips": [null], "name": "B", "display_name": null, )"
                       R"("description": "", "python_module": "comfy_extras.nodes_b", )"
                       R"("category": "utils", "output_node": true, "deprecated": false, )"
                       R"("experimental": true, "api_node": false}})";
  comes_back_equal(parse_json(schema));
}

TEST(ObjectInfo, FillsMarksFromTheFolders) {
  const InputDefinition input{.name = "ckpt",
                              .type = "COMBO",
                              .combo = Combo::classic,
                              .files = FileMark{{"checkpoints"}, {}, {}, {}}};
  const FileChoices files{
      .models = [](const std::string&) { return std::vector<std::string>{"a.safetensors"}; }};
  EXPECT_EQ(to_json(input_config(input, files, Pad::no)), R"([["a.safetensors"]])");
  EXPECT_EQ(to_json(input_config(input, {}, Pad::yes)), R"([[], {}])");
}

TEST(FromObjectInfo, RefusesAnotherShape) {
  EXPECT_THROW(from_object_info(parse_json(R"({"name": "A"})")), Error);
  EXPECT_THROW(
      from_object_info(parse_json(
          R"({"name":"A","input":{"required":{"x":[]}},"output":[],"output_is_list":[],"output_name":[]})")),
      Error);
}

}  // namespace
}  // namespace comfy::graph
