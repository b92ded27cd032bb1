// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "inference/sampling/sampler.h"
#include "inference/sampling/solvers/solvers.h"
#include "inference/tensor/ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace comfy::sampling {
namespace {

/// A denoiser that always sees the same clean sample.
Denoiser perfect_denoiser(const Tensor& target, const SamplingSettings& settings) {
  return {
      .evaluate = [target](const Tensor&, double, Guidance) { return Denoised{target, target}; },
      .sampling = ModelSampling{settings}};
}

/// The ideal denoiser of data with a normal distribution of that variance around 0.
Denoiser gaussian_denoiser(double variance) {
  return {.evaluate =
              [variance](const Tensor& x, double sigma, Guidance) {
                const Tensor clean = x * (variance / (variance + sigma * sigma));
                return Denoised{clean, clean};
              },
          .sampling = ModelSampling{}};
}

class EverySampler : public testing::TestWithParam<std::string> {};

TEST_P(EverySampler, LandsOnTheTargetOfAPerfectDenoiser) {
  tensor::Generator generator{1};
  const Tensor target = generator.randn({1, 4, 4, 4});
  for (const SamplingSettings& settings :
       {SamplingSettings{},
        SamplingSettings{
            .prediction = Prediction::flow, .space = SigmaSpace::flow, .shift = 3.0}}) {
    const ModelSampling sampling{settings};
    SamplerRun run{.sigmas = ksampler_sigmas(sampling, GetParam(), "simple", 12, 1.0),
                   .noise = generator.randn({1, 4, 4, 4}),
                   .latent = at::zeros({1, 4, 4, 4})};
    const double last = run.sigmas[run.sigmas.size() - 2];
    const Tensor result =
        run_sampler(find_sampler(GetParam()), perfect_denoiser(target, settings), run, {.seed = 3});
    // The dpm_ ones stop at the last positive sigma; that much noise is left.
    const bool stops_early = GetParam() == "dpm_fast" || GetParam() == "dpm_adaptive";
    const double allowed = stops_early ? 10 * last : GetParam().starts_with("uni_pc") ? 2e-2 : 2e-4;
    EXPECT_LT((result - target).abs().max().item<double>(), allowed) << GetParam();
  }
}

TEST_P(EverySampler, ReportsEveryStepOnceAndCanBeEndedThere) {
  struct Stop {};
  SamplerRun run{.sigmas = ksampler_sigmas(ModelSampling{}, GetParam(), "karras", 6, 1.0),
                 .noise = at::ones({1, 4, 4, 4}),
                 .latent = at::zeros({1, 4, 4, 4})};
  const Denoiser denoiser = gaussian_denoiser(1.0);
  std::size_t reports = 0;
  SamplerContext context{.seed = 1};
  context.on_step = [&](const Step& step) {
    EXPECT_EQ(step.index, reports);
    if (++reports == 2) throw Stop{};
  };
  EXPECT_THROW(run_sampler(find_sampler(GetParam()), denoiser, run, context), Stop);
}

INSTANTIATE_TEST_SUITE_P(Samplers, EverySampler, testing::ValuesIn(sampler_names()),
                         [](const auto& row) { return row.param; });

/// A deterministic sampler and how fast its error falls with the number of steps.
struct Convergence {
  std::string sampler;
  double order;
};

class DeterministicSampler : public testing::TestWithParam<Convergence> {};

TEST_P(DeterministicSampler, ReachesAGaussianTargetAtItsOrder) {
  constexpr double kVariance = 0.25;
  const Tensor start = at::full({1, 1, 1, 1}, 1.0, at::kDouble);
  const auto error_with = [&](int steps) {
    Sigmas sigmas;  // evenly in log sigma from 2 to 0.5
    for (int i = 0; i <= steps; ++i)
      sigmas.push_back(2.0 * std::pow(0.25, static_cast<double>(i) / steps));
    const Tensor end =
        find_sampler(GetParam().sampler).function(gaussian_denoiser(kVariance), start, sigmas, {});
    const double exact = std::sqrt((kVariance + 0.25) / (kVariance + 4.0));
    return std::abs(end.item<double>() - exact);
  };
  const double observed = std::log2(error_with(16) / error_with(32));
  EXPECT_NEAR(observed, GetParam().order, 0.45);
}

INSTANTIATE_TEST_SUITE_P(Samplers, DeterministicSampler,
                         testing::Values(Convergence{"euler", 1}, Convergence{"ddim", 1},
                                         Convergence{"heun", 2}, Convergence{"dpm_2", 2},
                                         Convergence{"dpmpp_2m", 2}),
                         [](const auto& row) { return row.param.sampler; });

TEST(FindSampler, RefusesUnknownNames) { EXPECT_THROW(find_sampler("eulr"), Error); }

TEST(SamplerNames, AreThoseOfTheMenuInItsOrder) {
  const auto names = sampler_names();
  ASSERT_EQ(names.size(), 42U);
  EXPECT_EQ(names.front(), "euler");
  EXPECT_EQ(names[4], "heun");
  EXPECT_EQ(names[39], "ddim");
  EXPECT_EQ(names.back(), "uni_pc_bh2");
}

TEST(DpmAdaptive, RefusesOrdersItHasNot) {
  const Sigmas sigmas{1.0, 0.5};
  EXPECT_THROW(dpm_adaptive(gaussian_denoiser(1.0), at::ones({1}), sigmas, {}, {.order = 4}),
               Error);
}

TEST(WithInpaint, ShowsTheNetworkTheNoisedLatentWhereTheMaskIsZero) {
  const Tensor mask = at::tensor({1.0F, 0.0F}).view({1, 1, 1, 2});
  const Tensor latent = at::full({1, 1, 1, 2}, 5.0F);
  Tensor seen;
  Denoiser inner{.evaluate =
                     [&](const Tensor& x, double, Guidance) {
                       seen = x;
                       return Denoised{at::full_like(x, 7.0), {}};
                     },
                 .sampling = ModelSampling{}};
  const Denoiser painted = with_inpaint(
      inner, {.mask = mask, .latent = latent, .noise = at::ones({1, 1, 1, 2})}, {2.0, 0.0});
  const Tensor result = painted(at::zeros({1, 1, 1, 2}), 2.0);
  EXPECT_TRUE(at::equal(seen.flatten(), at::tensor({0.0F, 7.0F})));
  EXPECT_TRUE(at::equal(result.flatten(), at::tensor({7.0F, 5.0F})));
}

}  // namespace
}  // namespace comfy::sampling
