// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/resample.h"

#include "foundation/base/error.h"
#include "golden/golden_case.h"
#include "inference/tensor/lanczos.h"
#include "inference/tensor/ops.h"

#include <gtest/gtest.h>

namespace comfy::tensor {
namespace {

Tensor ramp(std::int64_t height, std::int64_t width) {
  return at::arange(height * width, at::kFloat).reshape({1, 1, height, width});
}

TEST(Resample, TakesTheNearestPixelCenter) {
  EXPECT_TRUE(at::equal(resample(ramp(1, 4), 2, 1, "nearest-exact", Crop::none),
                        at::tensor({1.F, 3.F}).reshape({1, 1, 1, 2})));
}

TEST(Resample, AveragesWholeAreas) {
  EXPECT_TRUE(at::equal(resample(ramp(2, 4), 2, 1, "area", Crop::none),
                        at::tensor({2.5F, 4.5F}).reshape({1, 1, 1, 2})));
}

TEST(Resample, CutsTheMiddleToTheNewShapeFirst) {
  EXPECT_TRUE(at::equal(resample(ramp(2, 6), 2, 2, "nearest-exact", Crop::center),
                        at::tensor({2.F, 3.F, 8.F, 9.F}).reshape({1, 1, 2, 2})));
}

TEST(Resample, ResizesVideosFrameByFrame) {
  const Tensor video = at::arange(2 * 3 * 2 * 4 * 4, at::kFloat).reshape({2, 3, 2, 4, 4});
  const Tensor resized = resample(video, 2, 2, "bilinear", Crop::none);
  ASSERT_EQ(resized.sizes().vec(), (Shape{2, 3, 2, 2, 2}));
  EXPECT_TRUE(
      at::equal(resized.select(2, 1), resample(video.select(2, 1), 2, 2, "bilinear", Crop::none)));
}

TEST(Resample, RefusesUnknownMethodsAndEmptySizes) {
  EXPECT_THROW(resample(ramp(2, 2), 2, 2, "cubic", Crop::none), Error);
  EXPECT_THROW(resample(ramp(2, 2), 0, 2, "area", Crop::none), Error);
  EXPECT_THROW(resample(ramp(2, 2).squeeze(), 2, 2, "area", Crop::none), Error);
  EXPECT_THROW(resample(ramp(1, 2), 1, 400, "area", Crop::center), Error);
}

TEST(Lanczos, RefusesPicturesOfFiveChannels) {
  EXPECT_THROW(lanczos_8bit(at::zeros({1, 5, 2, 2}, at::kByte), 3, 3), Error);
}

TEST(Lanczos, LeavesAFlatPictureFlat) {
  const Tensor flat = at::full({1, 3, 9, 7}, 200, at::kByte);
  EXPECT_TRUE(at::equal(lanczos_8bit(flat, 13, 4), at::full({1, 3, 4, 13}, 200, at::kByte)));
}

TEST(Lanczos, KeepsColoursOfTransparentPixelsOutOfTheirNeighbours) {
  Tensor picture = at::zeros({1, 4, 1, 8}, at::kByte);
  picture.select(1, 0).narrow(-1, 0, 4).fill_(255);  // red, opaque
  picture.select(1, 3).narrow(-1, 0, 4).fill_(255);
  picture.select(1, 1).narrow(-1, 4, 4).fill_(255);  // green, transparent
  EXPECT_EQ(lanczos_8bit(picture, 5, 1).select(1, 1).max().item<int>(), 0);
}

/// What a recorded node case asks for, in the terms of `resample`.
struct Asked {
  Tensor samples;
  std::int64_t width, height;
  std::string method;
  Crop crop;
  Tensor expected;
};

/// A recorded case, or the copy that lies in the repository; nothing when there is neither.
std::optional<golden::Case> case_named(const std::string& name) {
  const std::string file = "nodes/" + name + ".safetensors";
  const std::filesystem::path copy = std::filesystem::path{"tests/golden/cases"} / file;
  if (const auto shared = golden::shared_folder())
    return golden::Case::load(*shared / "golden" / file);
  if (std::filesystem::exists(copy)) return golden::Case::load(copy);
  return {};
}

Asked asked_of(const golden::Case& recorded) {
  const Json& inputs = recorded.info().at("workflow").at("n").at("inputs");
  const bool latent = recorded.info().at("node").as_string().starts_with("Latent");
  // The latent node counts in pixels and makes nothing smaller than 64 of them.
  const auto size = [&](const char* name) {
    const std::int64_t pixels = inputs.at(name).as_int();
    return latent ? std::max(pixels, std::int64_t{64}) / 8 : pixels;
  };
  Asked asked{.samples = {},
              .width = size("width"),
              .height = size("height"),
              .method = inputs.at("upscale_method").as_string(),
              .crop = inputs.string_or("crop", "disabled") == "center" ? Crop::center : Crop::none,
              .expected = {}};
  for (const std::string& name : recorded.names()) {
    Tensor& slot = name.starts_with("input.") ? asked.samples : asked.expected;
    slot = latent ? recorded[name] : recorded[name].movedim(-1, 1);
  }
  return asked;
}

class RecordedResample : public testing::TestWithParam<const char*> {};

TEST_P(RecordedResample, AgreesWithTheReference) {
  const auto recorded = case_named(GetParam());
  if (!recorded) GTEST_SKIP() << golden::kNoRecordedData;
  const Asked asked = asked_of(*recorded);
  const Tensor result =
      resample(asked.samples, asked.width, asked.height, asked.method, asked.crop);
  ASSERT_EQ(result.sizes(), asked.expected.sizes());
  EXPECT_LE((result - asked.expected).abs().max().item<double>(), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Pictures, RecordedResample,
                         testing::Values("ImageScale__area_13x9", "ImageScale__bicubic_50x40",
                                         "ImageScale__bilinear_center_40x10",
                                         "ImageScale__nearest-exact_31x24",
                                         "ImageScale__lanczos_13x9", "ImageScale__lanczos_31x24",
                                         "ImageScale__lanczos_32x48", "ImageScale__lanczos_50x40",
                                         "ImageScale__lanczos_center_40x10",
                                         "ImageScale__lanczos_rgba"));
INSTANTIATE_TEST_SUITE_P(
    Latents, RecordedResample,
    testing::Values("LatentUpscale__bislerp_128x96", "LatentUpscale__bislerp_64x40",
                    "LatentUpscale__bislerp_center", "LatentUpscale__bicubic_center",
                    "LatentUpscale__area_64x40", "LatentUpscale__nearest-exact_128x96"));

}  // namespace
}  // namespace comfy::tensor
