// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/latent_format.h"

#include "golden/golden_case.h"
#include "inference/tensor/ops.h"

#include <gtest/gtest.h>

namespace comfy::models {
namespace {

TEST(LatentFormat, ShiftsBeforeItScales) {
  const auto first = [](const Tensor& latent) { return latent.flatten()[0].item<float>(); };
  EXPECT_FLOAT_EQ(first(latents::kSd3.process_in(at::ones({1, 16, 1, 1}))),
                  (1.0F - 0.0609F) * 1.5305F);
  EXPECT_FLOAT_EQ(first(latents::kSd15.process_in(at::ones({1, 4, 1, 1}))), 0.18215F);
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
