// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/schedule.h"

#include "foundation/base/error.h"
#include "golden/recorded_sampling.h"
#include "inference/sampling/beta_distribution.h"

#include <gtest/gtest.h>

#include <cmath>

namespace comfy::sampling {
namespace {

TEST(Schedule, HasTheNamesOfTheMenuInItsOrder) {
  EXPECT_EQ(schedule_names(), (std::vector<std::string>{
                                  "simple", "sgm_uniform", "karras", "exponential", "ddim_uniform",
                                  "beta", "normal", "linear_quadratic", "kl_optimal"}));
}

TEST(Schedule, DecreasesToZeroFromTheLargestSigma) {
  const ModelSampling sampling;
  for (const std::string& name : schedule_names()) {
    const Sigmas sigmas = schedule(name, sampling, 8);
    EXPECT_EQ(sigmas.back(), 0.0) << name;
    EXPECT_TRUE(std::is_sorted(sigmas.rbegin(), sigmas.rend())) << name;
    EXPECT_LE(sigmas.front(), 14.615) << name;
    EXPECT_GT(sigmas.front(), name == "ddim_uniform" ? 7.0 : 14.6) << name;
  }
}

TEST(Schedule, RefusesUnknownNamesAndNoSteps) {
  const ModelSampling sampling;
  EXPECT_THROW(schedule("quadratic", sampling, 8), Error);
  EXPECT_THROW(schedule("karras", sampling, 0), Error);
}

TEST(KSamplerSigmas, KeepTheEndOfALongerScheduleWhenDenoisingPartly) {
  const ModelSampling sampling;
  const Sigmas whole = schedule("karras", sampling, 20);
  const Sigmas part = ksampler_sigmas(sampling, "euler", "karras", 10, 0.5);
  EXPECT_EQ(part, Sigmas(whole.end() - 11, whole.end()));
  EXPECT_TRUE(ksampler_sigmas(sampling, "euler", "karras", 10, 0.0).empty());
}

TEST(KSamplerSigmas, LeaveOutTheSigmaBeforeZeroForSecondOrderSamplers) {
  const ModelSampling sampling;
  Sigmas longer = schedule("normal", sampling, 6);
  longer.erase(longer.end() - 2);
  EXPECT_EQ(ksampler_sigmas(sampling, "dpm_2", "normal", 5, 1.0), longer);
}

TEST(BetaDistribution, HasKnownQuantiles) {
  EXPECT_NEAR(beta_probability(0.5, 2.0, 2.0), 0.5, 1e-14);
  EXPECT_NEAR(beta_probability(0.25, 1.0, 3.0), 1 - std::pow(0.75, 3), 1e-14);
  EXPECT_NEAR(beta_quantile(0.5, 0.6, 0.6), 0.5, 1e-13);
  EXPECT_NEAR(beta_quantile(0.3, 1.0, 1.0), 0.3, 1e-13);
  EXPECT_EQ(beta_quantile(0.0, 0.6, 0.6), 0.0);
  EXPECT_EQ(beta_quantile(1.0, 0.6, 0.6), 1.0);
}

TEST(ModelSampling, IsAValueWhoseSettingsSayAll) {
  const ModelSampling a{{.prediction = Prediction::v, .zsnr = true}};
  const ModelSampling b = a;
  EXPECT_EQ(a.settings(), b.settings());
  EXPECT_NEAR(b.sigma_max(), 4518.76, 0.01);
}

TEST(ModelSampling, GoesFromTimestepToSigmaAndBack) {
  for (const auto& [name, settings] : golden::recorded_parameterizations()) {
    if (settings.shift != 1.0) continue;  // the shift goes into sigmas only, as in ComfyUI
    const ModelSampling sampling{settings};
    const double sigma = sampling.sigmas()[sampling.sigmas().size(0) / 2].item<double>();
    EXPECT_NEAR(sampling.sigma(sampling.timestep(sigma)), sigma, 1e-5 * sigma) << name;
  }
}

}  // namespace
}  // namespace comfy::sampling
