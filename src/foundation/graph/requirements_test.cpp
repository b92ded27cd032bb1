// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/requirements.h"

#include <gtest/gtest.h>

namespace comfy::graph {
namespace {

Catalogue loaders() {
  Catalogue catalogue;
  NodeDefinition loader;
  loader.id = "Loader";
  InputDefinition file;
  file.name = "file";
  file.type = "COMBO";
  file.combo = Combo::classic;
  file.files = FileMark{.model_folders = {"vae", "extra"}, .last = {"pixel_space"}};
  loader.inputs = {file};
  catalogue.add(loader);
  return catalogue;
}

Json prompt(const char* file) {
  return Json::Object{
      {"1", Json::Object{{"class_type", "Loader"}, {"inputs", Json::Object{{"file", file}}}}},
      {"2", Json::Object{{"class_type", "Show"},
                         {"inputs", Json::Object{{"vae", Json::Array{"1", 0}}}}}},
      {"3", Json::Object{{"class_type", "Aside"}, {"inputs", Json::Object{}}}}};
}

TEST(Requirements, AreTheClassesAndFilesOnWhichTheOutputsDepend) {
  const Requirements found = requirements_of(prompt("a/b.safetensors"), {"2"}, loaders());
  EXPECT_EQ(found.classes, (std::vector<std::string>{"Loader", "Show"}));
  EXPECT_EQ(
      found.models,
      (std::vector<std::vector<std::string>>{{"extra/a/b.safetensors", "vae/a/b.safetensors"}}));
}

TEST(Requirements, LeaveOutWhatIsNoFile) {
  EXPECT_TRUE(requirements_of(prompt("pixel_space"), {"2"}, loaders()).models.empty());
  EXPECT_EQ(requirements_of(prompt("a"), {"3"}, loaders()).classes,
            (std::vector<std::string>{"Aside"}));
  EXPECT_TRUE(requirements_of(prompt("a"), {"no such node"}, loaders()).empty());
}

}  // namespace
}  // namespace comfy::graph
