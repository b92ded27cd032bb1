// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/latent_format.h"

#include "golden/golden_case.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace comfy::models {
namespace {

TEST(LatentFormat, ScalesAsRecorded) {
  const auto shared = golden::shared_folder();
  if (!shared) GTEST_SKIP() << golden::kNoRecordedData;
  const auto recorded = golden::Case::load(*shared / "golden/vae/latent_formats.safetensors");
  int checked = 0;
  for (const LatentFormat* format : latent_formats()) {
    const Tensor input = recorded.get(fmt::format("input.{}", format->name));
    if (!input.defined()) continue;
    ++checked;
    for (const auto& [expected, actual] : {std::pair{"in", format->process_in(input)},
                                           std::pair{"out", format->process_out(input)}}) {
      const auto result = golden::compare(
          recorded[fmt::format("expected.{}.{}", format->name, expected)], actual, 1e-6);
      EXPECT_TRUE(result) << format->name << " " << expected << ": " << result.message;
    }
  }
  EXPECT_EQ(checked, 12);
}

TEST(LatentFormat, PreviewsAsRecorded) {
  const auto shared = golden::shared_folder();
  if (!shared) GTEST_SKIP() << golden::kNoRecordedData;
  const auto recorded = golden::Case::load(*shared / "golden/vae/preview_latent2rgb.safetensors");
  const Tensor picture = latents::kSd15.preview(recorded["input.latent"]);
  ASSERT_EQ(picture.scalar_type(), DType::Byte);
  // A value on the border between two levels may fall to either side.
  const Tensor gap = picture.to(DType::Int) - recorded["expected.image_u8"].to(DType::Int);
  EXPECT_LE(gap.abs().max().item<int>(), 1);
  EXPECT_LE(gap.ne(0).sum().item<int>(), 2);
}

TEST(LatentFormat, GoesThereAndBack) {
  for (const LatentFormat* format : latent_formats()) {
    const Tensor latent =
        at::linspace(-3, 3, format->channels * 6).reshape({1, format->channels, 2, 3});
    const auto result =
        golden::compare(latent, format->process_out(format->process_in(latent)), 1e-5);
    EXPECT_TRUE(result) << format->name << ": " << result.message;
  }
}

TEST(LatentFormat, PreviewsTheFirstFrameOfAVideoAndNothingOfSound) {
  EXPECT_EQ(latents::kWan21.preview(at::zeros({1, 16, 3, 4, 5})).sizes().vec(), (Shape{4, 5, 3}));
  EXPECT_FALSE(latents::kStableAudio.preview(at::zeros({1, 64, 10})).defined());
}

TEST(LatentFormat, IsFoundByComfyUisName) {
  EXPECT_EQ(find_latent_format("SDXL"), &latents::kSdxl);
  EXPECT_EQ(find_latent_format("sdxl"), nullptr);
}

}  // namespace
}  // namespace comfy::models
