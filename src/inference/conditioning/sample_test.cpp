// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/conditioning/sample.h"

#include "foundation/base/error.h"
#include "inference/conditioning/fake_model.h"
#include "inference/conditioning/model_inputs.h"

#include <gtest/gtest.h>

namespace comfy::conditioning {
namespace {

class Sample : public testing::Test {
 protected:
  models::Architecture architecture_ = fake_architecture(models::latents::kSd15);
  std::shared_ptr<FakeNetwork> network_ = std::make_shared<FakeNetwork>(says_what_its_text_says);
  Guide guide_{.positive = {text(2)}, .negative = {text(2)}, .cfg = 5.0};
  StartLatent empty_{.samples = at::zeros({1, 4, 8, 8})};

  SampledModel model() { return {fake_model(architecture_), network_}; }
  Tensor run(const KSamplerSettings& settings) { return sample(model(), guide_, empty_, settings); }
};

TEST_F(Sample, ReachesWhatTheNetworkSeesInTheAutoencodersScaling) {
  const Tensor result = run({.seed = 1, .steps = 4});
  EXPECT_TRUE(at::allclose(result, at::full_like(result, 2 / 0.18215), 1e-4, 1e-4));
  EXPECT_EQ(network_->calls.size(), 4U);
}

TEST_F(Sample, StartsFromTheSeedsNoise) {
  run({.seed = 42, .steps = 1});
  tensor::Generator generator{42};
  const double sigma = sampling::ModelSampling{}.sigma_max();
  const Tensor expected =
      generator.randn({1, 4, 8, 8}) * std::sqrt(1 + sigma * sigma) / std::sqrt(1 + sigma * sigma);
  EXPECT_TRUE(at::allclose(network_->calls[0].x.slice(0, 0, 1), expected, 1e-5, 1e-5));
}

TEST_F(Sample, ReportsEveryStepWithTheTotal) {
  std::vector<std::size_t> steps;
  sample(model(), guide_, empty_, {.seed = 1, .steps = 3}, [&](const SampleStep& step) {
    steps.push_back(step.index);
    EXPECT_EQ(step.total, 3U);
    EXPECT_FLOAT_EQ(step.denoised[0][0][0][0].item<float>(), 2.0F);
  });
  EXPECT_EQ(steps, (std::vector<std::size_t>{0, 1, 2}));
}

TEST_F(Sample, EndsWhereTheCallbackThrows) {
  const auto cancel = [](const SampleStep& step) {
    if (step.index == 1) throw Error{Error::Kind::interrupted, "cancelled"};
  };
  EXPECT_THROW(sample(model(), guide_, empty_, {.seed = 1, .steps = 9}, cancel), Error);
  EXPECT_EQ(network_->calls.size(), 2U);
}

TEST_F(Sample, ReturnsTheStartWhenThereIsNothingToDo) {
  empty_.samples = at::ones({1, 4, 8, 8});
  EXPECT_TRUE(run({.denoise = 0.0}).equal(empty_.samples));
  EXPECT_TRUE(run({.steps = 5, .start_step = 5}).equal(empty_.samples));
  EXPECT_TRUE(network_->calls.empty());
}

TEST_F(Sample, RunsOnlyTheStepsAskedFor) {
  run({.steps = 10, .start_step = 4, .last_step = 7});
  EXPECT_EQ(network_->calls.size(), 3U);
  network_->calls.clear();
  const Tensor clean = run({.steps = 10, .last_step = 3, .end = LastStep::to_zero});
  EXPECT_TRUE(at::allclose(clean, at::full_like(clean, 2 / 0.18215), 1e-4, 1e-4));
  const Tensor noisy = run({.steps = 10, .last_step = 3});
  EXPECT_GT((noisy - clean).abs().max().item<double>(), 1.0);
}

TEST_F(Sample, AddsNoNoiseWhenToldSo) {
  empty_.samples = at::full({1, 4, 8, 8}, 10.0);
  run({.steps = 10, .noise = StartNoise::none, .start_step = 5});
  const auto& x = network_->calls[0].x;
  EXPECT_NEAR(x.std().item<double>(), 0.0, 1e-6);
}

TEST_F(Sample, KeepsTheLatentWhereTheMaskIsZero) {
  empty_.samples = at::full({1, 4, 8, 8}, 7.0);
  empty_.noise_mask = at::zeros({1, 64, 64});
  empty_.noise_mask.slice(2, 0, 32).fill_(1.0);
  const Tensor result = run({.seed = 3, .steps = 4, .denoise = 0.8});
  EXPECT_NEAR(result[0][0][4][7].item<double>(), 7.0, 1e-4);
  EXPECT_NEAR(result[0][0][4][0].item<double>(), 2 / 0.18215, 1e-3);
}

TEST_F(Sample, ChangesTheMaskFromStepToStepWhenAModelAsks) {
  int asked = 0;
  GuidanceOptions options;
  options.mask_function = [&](const Tensor& mask, const sampling::MaskMoment& moment) {
    EXPECT_EQ(moment.sigmas.size(), 5U);
    ++asked;
    return at::zeros_like(mask);
  };
  SampledModel with_mask = model();
  with_mask.model =
      with_mask.model.with_guidance(std::make_shared<GuidanceOptions>(options), "mask");
  empty_.samples = at::full({1, 4, 8, 8}, 7.0);
  empty_.noise_mask = at::ones({1, 8, 8});
  const Tensor result = sample(with_mask, guide_, empty_, {.steps = 4});
  EXPECT_EQ(asked, 4);
  EXPECT_TRUE(at::allclose(result, empty_.samples, 1e-4, 1e-4));
}

TEST_F(Sample, GivesEmptyLatentsTheModelsChannels) {
  empty_.samples = at::zeros({2, 16, 8, 8});
  EXPECT_EQ(run({.steps = 1}).sizes(), (Shape{2, 4, 8, 8}));
}

TEST_F(Sample, RefusesUnknownNamesAndNoiseOfAnotherShape) {
  EXPECT_THROW(run({.sampler = "eulr"}), Error);
  EXPECT_THROW(run({.scheduler = "karas"}), Error);
  EXPECT_THROW(run({.steps = 0}), Error);
  CustomRun custom{.sampler = sampling::find_sampler("euler"),
                   .sigmas = {1.0, 0.0},
                   .noise = at::zeros({1, 4, 4, 4})};
  EXPECT_THROW(sample_custom(model(), guide_, empty_, custom), Error);
}

class Inputs : public Sample {
 protected:
  RunShape run_{.latent = {2, 4, 8, 6}, .latent_image = at::ones({2, 4, 8, 6})};
};

TEST_F(Inputs, DescribeSizesToSdxl) {
  architecture_.vector = models::VectorConditioning::sdxl;
  Entry entry = text(1);
  EXPECT_THROW(model_inputs(fake_model(architecture_), entry, Side::positive, run_), Error);
  entry.pooled = at::ones({1, 1280});
  const Tensor y = model_inputs(fake_model(architecture_), entry, Side::positive, run_).y;
  ASSERT_EQ(y.sizes(), (Shape{1, 2816}));
  // The first frequency is 1: cos of the height in pixels, then of the width.
  EXPECT_NEAR(y[0][1280].item<double>(), std::cos(64.0), 1e-5);
  EXPECT_NEAR(y[0][1280 + 256].item<double>(), std::cos(48.0), 1e-5);
  architecture_.vector = models::VectorConditioning::sdxl_refiner;
  const Tensor negative = model_inputs(fake_model(architecture_), entry, Side::negative, run_).y;
  EXPECT_NEAR(negative[0][1280 + 4 * 256].item<double>(), std::cos(2.5), 1e-5);
}

TEST_F(Inputs, ShowInpaintingModelsTheMaskAndTheMaskedLatent) {
  architecture_.concat = [](const models::Weights&) { return models::ConcatConditioning::inpaint; };
  Entry entry = text(1);
  const Tensor blank = model_inputs(fake_model(architecture_), entry, Side::positive, run_).concat;
  ASSERT_EQ(blank.sizes(), (Shape{2, 5, 8, 6}));
  EXPECT_FLOAT_EQ(blank[0][0][0][0].item<float>(), 1.0F);
  EXPECT_FLOAT_EQ(blank[0][1][0][0].item<float>(), 0.8223F);
  entry.concat_mask = at::full({1, 1, 64, 48}, 0.7);
  entry.concat_latent_image = at::full({1, 4, 8, 6}, 2.0);
  const Tensor given = model_inputs(fake_model(architecture_), entry, Side::positive, run_).concat;
  EXPECT_FLOAT_EQ(given[1][0][3][3].item<float>(), 1.0F);  // rounded
  EXPECT_FLOAT_EQ(given[1][1][3][3].item<float>(), 2.0F * 0.18215F);
  run_.denoise_mask = at::zeros({2, 4, 8, 6});
  const Tensor from_run =
      model_inputs(fake_model(architecture_), text(1), Side::positive, run_).concat;
  EXPECT_FLOAT_EQ(from_run[0][0][0][0].item<float>(), 0.0F);
  EXPECT_FLOAT_EQ(from_run[0][1][0][0].item<float>(), 1.0F);
}

TEST_F(Inputs, ShowEditingModelsThePicture) {
  architecture_.concat = [](const models::Weights&) { return models::ConcatConditioning::image; };
  Entry entry = text(1);
  EXPECT_TRUE(model_inputs(fake_model(architecture_), entry, Side::positive, run_)
                  .concat.equal(at::zeros({2, 4, 8, 6})));
  entry.concat_latent_image = at::full({1, 4, 16, 12}, 3.0);
  EXPECT_TRUE(
      at::allclose(model_inputs(fake_model(architecture_), entry, Side::positive, run_).concat,
                   at::full({2, 4, 8, 6}, 3.0)));
}

}  // namespace
}  // namespace comfy::conditioning
