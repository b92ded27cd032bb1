// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "golden/golden_case.h"
#include "golden/network_areas.h"
#include "inference/models/vae/autoencoders.h"
#include "inference/models/vae/tiled.h"
#include "inference/tensor/ops.h"
#include "keys/layouts.h"

#include <gtest/gtest.h>

namespace comfy::models::vae {
namespace {

constexpr double kTolerance = 1e-5;  // of the golden README, for the whole area

void expect_close(const Tensor& expected, const Tensor& actual, const std::string& what) {
  const golden::Comparison result = golden::compare(expected, actual, kTolerance);
  EXPECT_TRUE(result) << what << ": " << result.message;
}

TEST(Autoencoder, AgreesWithEveryRecordedCase) {
  const auto shared = golden::shared_folder();
  if (!shared) GTEST_SKIP() << golden::kNoRecordedData;
  const c10::InferenceMode no_gradients;
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*shared / "golden" / "vae")) {
    if (entry.path().filename().string().starts_with("weights_")) continue;
    const auto outcome = golden::run_vae(entry.path());
    if (!outcome) continue;  // a node's case
    EXPECT_EQ(outcome->verdict, golden::Verdict::passed)
        << entry.path() << ": " << outcome->message;
    ++cases;
  }
  EXPECT_EQ(cases, 18);
}

TEST(Autoencoder, IsDescribedByItsShapes) {
  const auto kl = detect(Weights(keys::layout("sd15")) / "first_stage_model");
  ASSERT_TRUE(kl);
  EXPECT_EQ(kl->kind, Kind::kl);
  EXPECT_EQ(kl->latent_channels, 4);
  EXPECT_EQ(kl->downscale, 8);
  EXPECT_EQ(detect(Weights(keys::layout("sd3_medium")) / "first_stage_model")->latent_channels, 16);
  EXPECT_FALSE(detect(Weights(keys::layout("sd15")) / "model.diffusion_model"));
}

TEST(Autoencoder, TakesDiffusersNames) {
  const Weights converted(native_names(keys::layout("diffusers_vae_4ch")));
  const Weights native = Weights(keys::layout("sd15")) / "first_stage_model";
  for (const std::string& name : native.names()) EXPECT_TRUE(converted.has(name)) << name;
  EXPECT_EQ(converted.names().size(), native.names().size());
}

TEST(Autoencoder, OfPixelSpaceIsNone) {
  const Weights w(checkpoint::dictionary_source({{"pixel_space_vae", at::ones({})}}));
  ASSERT_TRUE(detect(w));
  EXPECT_EQ(detect(w)->kind, Kind::pixel_space);
  const auto autoencoder = build(w);
  EXPECT_EQ(autoencoder->downscale(), 1);
  EXPECT_EQ(autoencoder->latent_channels(), 3);
  const Tensor pixels = at::rand({1, 3, 5, 7});
  EXPECT_TRUE(at::equal(autoencoder->decode(autoencoder->encode(pixels)), pixels));
}

TEST(Autoencoder, RefusesAScopeWithoutOne) {
  EXPECT_THROW(build(Weights(checkpoint::dictionary_source({{"a", at::zeros({1})}}))), Error);
}

/// Repeats each latent pixel 8 times; so a blend of tiles must give the whole again.
class Repeat final : public Autoencoder {
 public:
  Tensor decode(const Tensor& latent) const override {
    return latent.narrow(1, 0, 3).repeat_interleave(8, 2).repeat_interleave(8, 3);
  }
  Tensor encode(const Tensor& pixels) const override { return at::avg_pool2d(pixels, 8); }
  std::int64_t latent_channels() const override { return 3; }
  std::int64_t downscale() const override { return 8; }
};

TEST(Tiling, BlendsToTheWholeAndReportsEveryTile) {
  const Tensor latent = at::arange(4 * 20 * 13, DType::Float).reshape({1, 4, 20, 13});
  std::vector<std::pair<std::int64_t, std::int64_t>> reports;
  const Tiling tiling{.width = 64, .height = 64, .overlap = 16};
  const Tensor pixels =
      decode_tiled(Repeat(), latent, tiling,
                   [&](std::int64_t done, std::int64_t all) { reports.emplace_back(done, all); });
  expect_close(Repeat().decode(latent), pixels, "pixels");
  ASSERT_FALSE(reports.empty());
  EXPECT_EQ(reports.front().first, 1);
  EXPECT_EQ(reports.back().first, reports.back().second);
  EXPECT_EQ(reports.size(), static_cast<std::size_t>(reports.back().second));
}

TEST(Tiling, RefusesTilesSmallerThanTheirOverlap) {
  const Tiling tiling{.width = 64, .height = 64, .overlap = 64};
  EXPECT_THROW(decode_tiled(Repeat(), at::zeros({1, 3, 20, 20}), tiling), Error);
}

}  // namespace
}  // namespace comfy::models::vae
