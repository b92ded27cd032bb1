// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/catalogue.h"

#include "foundation/base/error.h"
#include "foundation/graph/file_choices.h"

#include <gtest/gtest.h>

namespace comfy::graph {
namespace {

NodeDefinition sampler() {
  NodeDefinition definition;
  definition.id = "Sampler";
  definition.display_name = "A sampler";
  definition.category = "sampling";
  definition.categories = {InputCategory::required, InputCategory::optional, InputCategory::hidden};
  definition.inputs = {
      {.name = "seed",
       .type = "INT",
       .options = Json::Object{{"default", 0}, {"max", 18446744073709551615ULL}}},
      {.name = "vae",
       .type = "COMBO",
       .combo = Combo::classic,
       .files = FileMark{.model_folders = {"vae"}, .last = {"pixel_space"}}},
      {.category = InputCategory::optional,
       .name = "image",
       .type = "IMAGE",
       .options = Json::Object{{"lazy", true}}},
      {.category = InputCategory::hidden, .name = "unique_id", .type = "UNIQUE_ID", .bare = true}};
  definition.outputs = {{.type = "LATENT", .name = "LATENT", .is_list = true, .tooltip = "Out."}};
  definition.output_node = true;
  definition.has_change_probe = true;
  definition.validator_inputs = {"seed"};
  return definition;
}

TEST(Catalogue, ComesBackFromItsJsonUnchanged) {
  Catalogue catalogue;
  catalogue.add(sampler());
  NodeDefinition other;
  other.id = "Other";
  other.style = Style::schema;
  other.api_node = false;
  catalogue.add(other);
  const Catalogue back = Catalogue::from_json(parse_json(to_json(catalogue.to_json())));
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(*back.find("Sampler"), sampler());
  EXPECT_EQ(*back.find("Other"), other);
  EXPECT_EQ(back.hash(), catalogue.hash());
}

TEST(Catalogue, HashTellsChangesApart) {
  Catalogue one, two;
  one.add(sampler());
  NodeDefinition changed = sampler();
  changed.inputs[0].options->find("max")->operator=(Json{5});
  two.add(changed);
  EXPECT_NE(one.hash(), two.hash());
}

TEST(Catalogue, RefusesAnIdTwice) {
  Catalogue catalogue;
  catalogue.add(sampler());
  EXPECT_THROW(catalogue.add(sampler()), Error);
  catalogue.replace(sampler());
  EXPECT_EQ(catalogue.size(), 1u);
}

TEST(Catalogue, RefusesJsonOfAnotherVersion) {
  EXPECT_THROW(Catalogue::from_json(parse_json(R"({"version": 2, "nodes": []})")), Error);
  EXPECT_THROW(Catalogue::from_json(parse_json(R"({"version": 1, "nodes": [{"id": "x"}]})")),
               Error);
}

TEST(Definition, KnowsWhatItsInputsMean) {
  const NodeDefinition definition = sampler();
  EXPECT_TRUE(definition.id_matters());
  EXPECT_TRUE(definition.find_input("image")->lazy());
  EXPECT_FALSE(definition.find_input("seed")->lazy());
  EXPECT_EQ(definition.find_input("none"), nullptr);
}

TEST(FileChoices, PutFixedChoicesAroundTheFiles) {
  const InputDefinition input{
      .files = FileMark{.model_folders = {"a", "b"}, .first = {"None"}, .last = {"pixel_space"}}};
  const FileChoices files{.models = [](const std::string& folder) {
    return std::vector<std::string>{folder + ".safetensors", "same.ckpt"};
  }};
  EXPECT_EQ(Json{current_choices(input, files)},
            parse_json(R"(["None","a.safetensors","same.ckpt","b.safetensors","pixel_space"])"));
}

}  // namespace
}  // namespace comfy::graph
