// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/folders.h"

#include "foundation/base/error.h"
#include "foundation/paths/sandbox.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace comfy::paths {
namespace {

using Names = std::vector<std::string>;

FolderOptions options_of(const Sandbox& box) {
  FolderOptions options;
  options.base = box.path();
  return options;
}

Names folders_of(const Folders& folders, std::string_view kind) {
  Names shown;
  for (const Root& root : folders.find_model_folder(kind)->roots)
    shown.push_back(folders.shown(root.path()));
  return shown;
}

std::string message_of(const auto& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.message;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST(Folders, KnowTheKindsInComfyUIsOrder) {
  const Sandbox box;
  const Folders folders{options_of(box)};
  EXPECT_EQ(folders.model_kinds(),
            (Names{"checkpoints",   "configs",          "loras",         "vae",
                   "text_encoders", "diffusion_models", "clip_vision",   "style_models",
                   "embeddings",    "diffusers",        "vae_approx",    "controlnet",
                   "gligen",        "upscale_models",   "custom_nodes",  "hypernetworks",
                   "photomaker",    "classifiers",      "model_patches", "audio_encoders"}));
  EXPECT_EQ(folders_of(folders, "unet"),
            (Names{"models/unet", "models/diffusion_models", "output/diffusion_models"}));
  EXPECT_EQ(folders_of(folders, "clip"),
            (Names{"models/text_encoders", "models/clip", "output/clip"}));
  EXPECT_EQ(folders_of(folders, "custom_nodes"), Names{"custom_nodes"});
  EXPECT_EQ(folders.find_model_folder("nope"), nullptr);
}

TEST(Folders, ListModelsSortedAndOnce) {
  const Sandbox box;
  for (const char* name : {"models/checkpoints/b.safetensors", "models/checkpoints/sub/a.CKPT",
                           "models/checkpoints/readme.txt", "models/checkpoints/.git/x.ckpt",
                           "output/checkpoints/b.safetensors", "output/checkpoints/a.sft"})
    box.put(name, "");
  const Folders folders{options_of(box)};
  EXPECT_EQ(folders.models("checkpoints")->names(),
            (Names{"a.sft", "b.safetensors", "sub/a.CKPT"}));
  EXPECT_EQ(folders.models("checkpoints")->entries[1].root, 0U);
  EXPECT_TRUE(folders.models("loras")->entries.empty());
  EXPECT_THROW(folders.models("nope"), Error);
}

TEST(Folders, NoticeNewFilesAndFolders) {
  const Sandbox box;
  const Folders folders{options_of(box)};
  EXPECT_TRUE(folders.models("vae")->entries.empty());
  box.put("models/vae/a.pt", "");
  EXPECT_EQ(folders.models("vae")->names(), Names{"a.pt"});
  box.put("models/vae/new/b.pt", "");
  EXPECT_EQ(folders.models("vae")->names(), (Names{"a.pt", "new/b.pt"}));
  std::filesystem::remove(box / "models/vae/a.pt");
  EXPECT_EQ(folders.models("vae")->names(), Names{"new/b.pt"});
}

TEST(Folders, KeepAListingThatNothingChanged) {
  const Sandbox box;
  box.put("models/vae/a.pt", "");
  const Folders folders{options_of(box)};
  std::this_thread::sleep_for(std::chrono::milliseconds{80});  // until the folder counts as quiet
  const auto first = folders.models("vae");
  const auto generation = folders.generation();
  EXPECT_EQ(folders.models("vae"), first);
  box.put("models/vae/readme.txt", "");  // changes the folder, not the list
  const auto again = folders.models("vae");
  EXPECT_EQ(again->generation, first->generation);
  EXPECT_EQ(folders.generation(), generation);
  box.put("models/vae/b.pt", "");
  EXPECT_GT(folders.models("vae")->generation, first->generation);
  EXPECT_GT(folders.generation(), generation);
}

TEST(Folders, OpenAModelInTheFirstFolderThatHasIt) {
  const Sandbox box;
  box.put("output/vae/a.pt", "second");
  const Folders folders{options_of(box)};
  EXPECT_EQ(read_all(folders.open_model("vae", "a.pt").file, 99), "second");
  box.put("models/vae/a.pt", "first");
  EXPECT_EQ(read_all(folders.open_model("vae", "a.pt").file, 99), "first");
  EXPECT_EQ(folders.open_model("vae", "a.pt").path, box / "models/vae/a.pt");
  EXPECT_FALSE(folders.find_model("vae", "../vae/a.pt"));
  EXPECT_FALSE(folders.find_model("nope", "a.pt"));
}

TEST(Folders, AMissingModelIsToldWhereToPutIt) {
  const Sandbox box;
  const Folders folders{options_of(box)};
  EXPECT_EQ(
      message_of([&] { folders.open_model("checkpoints", "x.safetensors"); }),
      "no model 'x.safetensors' in models/checkpoints or output/checkpoints; put the file there");
}

TEST(Folders, FindTheFilesOfUsers) {
  const Sandbox box;
  box.put("input/a.png", "i");
  box.put("output/sub/a.png", "o");
  const Folders folders{options_of(box)};
  EXPECT_EQ(read_all(folders.open_annotated("a.png"), 9), "i");
  EXPECT_EQ(read_all(folders.open_annotated("sub/a.png [output]"), 9), "o");
  EXPECT_TRUE(folders.annotated_exists("a.png [input]"));
  EXPECT_FALSE(folders.annotated_exists("a.png [temp]"));
  EXPECT_FALSE(folders.annotated_exists("../input/a.png"));
}

TEST(Folders, ListInputFilesByKind) {
  const Sandbox box;
  for (const char* name : {"input/b.PNG", "input/a.webp", "input/s.mp3", "input/v.mp4",
                           "input/l.latent", "input/n", "input/3d/m.glb", "input/3d/x/t.png"})
    box.put(name, "");
  const Folders folders{options_of(box)};
  EXPECT_EQ(folders.input_files("image"), (Names{"a.webp", "b.PNG"}));
  EXPECT_EQ(folders.input_files("audio,video"), (Names{"s.mp3", "v.mp4"}));
  EXPECT_EQ(folders.input_files("latent"), Names{"l.latent"});
  EXPECT_EQ(folders.input_files("3d"), Names{"3d/m.glb"});
  EXPECT_EQ(folders.input_files("folders"), Names{"3d"});
  EXPECT_EQ(folders.input_files("any").size(), 6U);
}

TEST(Folders, ListNoInputFilesWithoutTheFolder) {
  const Sandbox box;
  EXPECT_TRUE(Folders{options_of(box)}.input_files("any").empty());
}

TEST(Folders, SeparateUsersWhenAsked) {
  const Sandbox box;
  FolderOptions options = options_of(box);
  EXPECT_EQ(Folders{options}.area(Area::input, "bob").path(), box / "input");
  EXPECT_EQ(Folders{options}.area(Area::user, "bob").path(), box / "user/bob");
  options.per_user = true;
  const Folders folders{options};
  EXPECT_EQ(folders.area(Area::input, "bob").path(), box / "input/bob");
  for (const char* id : {"", "..", "a/b", "__keys", ".x", "a\\b"})
    EXPECT_THROW(folders.area(Area::user, id), Error) << id;
}

TEST(Folders, ReadExtraModelPaths) {
  const Sandbox box;
  ::setenv("COMFY_TEST_BASE", (box / "env").c_str(), 1);
  box.put("more.yaml",
          "one:\n  base_path: a1111\n  checkpoints: Stable-diffusion\n"
          "  loras: |\n    Lora\n\n    LyCORIS\n  unet: u\n"
          "empty:\n"
          "two:\n  base_path: $COMFY_TEST_BASE\n  is_default: true\n  vae: v\n  my_kind: things\n"
          "three:\n  vae: plain\n");
  FolderOptions options = options_of(box);
  options.extra_model_paths.push_back(box / "more.yaml");
  const Folders folders{options};
  EXPECT_EQ(folders_of(folders, "checkpoints"),
            (Names{"models/checkpoints", "a1111/Stable-diffusion", "output/checkpoints"}));
  EXPECT_EQ(folders_of(folders, "loras"),
            (Names{"models/loras", "a1111/Lora", "a1111/LyCORIS", "output/loras"}));
  EXPECT_EQ(folders_of(folders, "vae"), (Names{"env/v", "models/vae", "plain", "output/vae"}));
  EXPECT_EQ(folders_of(folders, "my_kind"), Names{"env/things"});
  box.put("env/things/anything.xyz", "");
  EXPECT_EQ(folders.models("my_kind")->names(), Names{"anything.xyz"});
}

TEST(Folders, ADefaultPathThatIsThereMovesToTheFront) {
  const Sandbox box;
  box.put("extra_model_paths.yaml", "x:\n  is_default: yes\n  clip: models/clip/\n");
  EXPECT_EQ(folders_of(Folders{options_of(box)}, "text_encoders"),
            (Names{"models/clip", "models/text_encoders", "output/clip"}));
}

TEST(Folders, NameWhatIsWrongInAModelPathsFile) {
  const Sandbox box;
  FolderOptions options = options_of(box);
  options.extra_model_paths.push_back(box / "m.yaml");
  const auto complaint = [&](const char* text) {
    box.put("m.yaml", text);
    return message_of([&] { Folders{options}; });
  };
  const std::string file = (box / "m.yaml").string();
  EXPECT_EQ(complaint("a: {vae: [x]}\n"),
            file + ": 'vae' of section 'a' must be a text with one folder a line");
  EXPECT_EQ(complaint("a: {is_default: 7x}\n"),
            file + ": 'is_default' of section 'a' must be true or false");
  EXPECT_EQ(complaint("a: text\n"), file + " must hold keys in section 'a'");
  EXPECT_EQ(complaint("- a\n"), file + " must hold named sections at its top");
  EXPECT_TRUE(complaint("a: [\n").starts_with(file + " must be a readable YAML file, got: "));
  std::filesystem::remove(box / "m.yaml");
  EXPECT_TRUE(message_of([&] { Folders{options}; }).starts_with(file + " must be a readable"));
}

TEST(Folders, OfferTheSpareModelsOnlyWhileThereAreNoOthers) {
  const Sandbox box;
  box.put("share/models/checkpoints/demo.safetensors", "demo");
  FolderOptions options = options_of(box);
  options.spare_models = box / "share/models";
  const Folders folders{options};
  EXPECT_EQ(folders.models("checkpoints")->names(), Names{"demo.safetensors"});
  EXPECT_EQ(folders.models("vae")->names(), Names{});
  EXPECT_TRUE(folders.open_model("checkpoints", "demo.safetensors").file);
  box.put("models/checkpoints/own.safetensors", "own");
  EXPECT_EQ(folders.models("checkpoints")->names(), Names{"own.safetensors"});
  EXPECT_TRUE(folders.find_model("checkpoints", "demo.safetensors")) << "older workflows still run";
  std::filesystem::remove(box / "models/checkpoints/own.safetensors");
  EXPECT_EQ(folders.models("checkpoints")->names(), Names{"demo.safetensors"});
}

TEST(Folders, MakeAndWipe) {
  const Sandbox box;
  const Folders folders{options_of(box)};
  folders.create_directories();
  for (const char* name : {"models/checkpoints", "models/text_encoders", "custom_nodes", "temp",
                           "input", "output", "user"})
    EXPECT_TRUE(std::filesystem::is_directory(box / name)) << name;
  EXPECT_FALSE(std::filesystem::exists(box / "models/clip"));
  box.put("temp/sub/a.png", "");
  box.put("keep.txt", "keep");
  std::filesystem::create_symlink(box / "keep.txt", box / "temp/link");
  folders.wipe_temp();
  EXPECT_TRUE(std::filesystem::is_empty(box / "temp"));
  EXPECT_EQ(box.get("keep.txt"), "keep");
}

}  // namespace
}  // namespace comfy::paths
