// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/json.h"
#include "golden/golden_case.h"
#include "inference/models/text/clip.h"
#include "inference/tensor/ops.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <set>

namespace comfy::models::text {
namespace {

Json read_packed_json(const std::filesystem::path& path) {
  const gzFile file = gzopen(path.c_str(), "rb");
  std::string text;
  std::array<char, 1 << 16> block;
  for (int count = 0; (count = gzread(file, block.data(), block.size())) > 0;) {
    text.append(block.data(), static_cast<std::size_t>(count));
  }
  gzclose(file);
  return parse_json(text);
}

/// The tensors of a real checkpoint in name and shape; all their numbers are one and the same zero.
checkpoint::SourcePtr layout_source(const Json& layout) {
  checkpoint::NamedTensors tensors;
  for (const auto& [name, entry] : layout.as_object()) {
    Shape shape;
    for (const Json& size : entry.as_array()[1].as_array()) shape.push_back(size.as_int());
    tensors.emplace_back(name, at::zeros({}, at::kHalf).expand(shape));
  }
  return checkpoint::dictionary_source(std::move(tensors));
}

struct Layout {
  const char* checkpoint;
  const ClipModel* model;
  const char* keymap;
};

class RealLayout : public testing::TestWithParam<Layout> {};

TEST_P(RealLayout, GivesEveryTensorThatLorasName) {
  const auto shared = golden::shared_folder();
  if (!shared) GTEST_SKIP() << golden::kNoRecordedData;
  const auto folder = *shared / "reference";
  const auto source =
      clip_source(*GetParam().model,
                  layout_source(read_packed_json(folder / "layouts" / GetParam().checkpoint)));
  ASSERT_NE(source, nullptr);
  const Json keymap = read_packed_json(folder / "keymaps" / GetParam().keymap);
  std::set<std::string> found;
  for (const auto& info : source->tensors())
    EXPECT_TRUE(found.insert(info.name).second) << info.name << " comes twice";
  for (const auto& [lora_name, target] : keymap.at("text_encoder").as_object()) {
    const std::string name =
        target.is_array() ? target.as_array()[0].as_string() : target.as_string();
    const bool is_optional = name == "clip_l.transformer.text_projection.weight";
    EXPECT_TRUE(is_optional || found.contains(name)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Clip, RealLayout,
    testing::Values(Layout{"sd15.json.gz", &kSd1, "lora_sd15.json.gz"},
                    Layout{"sd15_inpaint.json.gz", &kSd1, "lora_sd15.json.gz"},
                    Layout{"sd21.json.gz", &kSd2, "lora_sd21.json.gz"},
                    Layout{"sd2_inpaint.json.gz", &kSd2, "lora_sd21.json.gz"},
                    Layout{"sdxl_base.json.gz", &kSdxl, "lora_sdxl_base.json.gz"},
                    Layout{"sdxl_playground25.json.gz", &kSdxl, "lora_sdxl_base.json.gz"},
                    Layout{"sdxl_refiner.json.gz", &kSdxlRefiner, "lora_sdxl_refiner.json.gz"},
                    Layout{"stable_cascade_c.json.gz", &kCascade, "lora_stable_cascade_c.json.gz"}),
    [](const auto& param) {
      const std::string_view file = param.param.checkpoint;
      return std::string{file.substr(0, file.find('.'))};
    });

}  // namespace
}  // namespace comfy::models::text
