// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/schedule.h"

#include "foundation/base/json.h"
#include "inference/sampling/beta_distribution.h"
#include "inference/sampling/golden_sampling.h"

#include <gtest/gtest.h>

#include <cmath>

namespace comfy::sampling {
namespace {

// torch's exp, log and pow against numpy's and Python's.
constexpr double kTolerance = 2e-6;

std::vector<std::filesystem::path> schedule_cases() {
  auto files = recorded_cases("schedules");
  std::erase_if(files, [](const auto& file) { return file.stem() == "nodes"; });
  return files;
}

class RecordedSchedules : public testing::TestWithParam<std::filesystem::path> {
 protected:
  golden::Case recorded_ = golden::Case::load(GetParam());
  ModelSampling sampling_{recorded_parameterizations().at(GetParam().stem().string())};

  void expect(const std::string& name, const Tensor& actual, double tolerance = kTolerance) {
    const auto comparison = golden::compare(recorded_[name], actual, tolerance);
    EXPECT_TRUE(comparison.agrees) << name << ": " << comparison.message;
  }
};

TEST_P(RecordedSchedules, GiveTheRecordedSigmas) {
  const ModelSampling sampling = sampling_;
  for (const std::string& name : recorded_.names("expected.")) {
    // expected.<scheduler>.<steps>.<denoise>[.discard]
    std::vector<std::string> parts;
    for (std::size_t begin = 0; begin <= name.size();) {
      const std::size_t dot = std::min(name.find('.', begin), name.size());
      parts.push_back(name.substr(begin, dot - begin));
      begin = dot + 1;
    }
    const auto names = schedule_names();
    if (parts.size() < 5 || std::find(names.begin(), names.end(), parts[1]) == names.end())
      continue;
    const std::string sampler = parts.back() == "discard" ? "dpm_2" : "euler";
    const double denoise = std::stod(parts[3] + "." + parts[4]);
    expect(name,
           as_tensor(ksampler_sigmas(sampling, sampler, parts[1], std::stoi(parts[2]), denoise)));
  }
}

TEST_P(RecordedSchedules, ConvertBetweenSigmasTimestepsAndPercents) {
  const std::int64_t stride = recorded_.info().int_or("sigmas_stride", 1);
  EXPECT_EQ(sampling_.sigmas().size(0), recorded_.info().int_or("n_sigmas", 0));
  EXPECT_NEAR(sampling_.sigma_min(), recorded_.info().double_or("sigma_min", 0),
              1e-6 * sampling_.sigma_min());
  EXPECT_NEAR(sampling_.sigma_max(), recorded_.info().double_or("sigma_max", 0),
              1e-6 * sampling_.sigma_max());
  expect("expected.model_sampling.sigmas", sampling_.sigmas().slice(0, 0, {}, stride));
  expect("expected.timestep",
         sampling_.timestep(recorded_["input.timestep_sigmas"].to(at::kFloat)));
  if (recorded_.has("expected.sigma")) {
    expect("expected.sigma", sampling_.sigma(recorded_["input.sigma_timesteps"].to(at::kFloat)));
  }
  Sigmas sigmas;
  for (const Json& percent : recorded_.info().at("percents").as_array()) {
    sigmas.push_back(sampling_.percent_to_sigma(percent.as_double()));
  }
  expect("expected.percent_to_sigma", as_tensor(sigmas));
}

TEST_P(RecordedSchedules, ScaleSamplesAsRecorded) {
  const Tensor sigma = recorded_["input.sigma"];
  const Tensor x = recorded_["input.x"];
  expect("expected.calculate_input", sampling_.calculate_input(sigma, x));
  expect("expected.calculate_denoised",
         sampling_.calculate_denoised(sigma, recorded_["input.model_output"], x));
  const Tensor noise = recorded_["input.noise"];
  std::vector<Tensor> partial, full, inverse;
  for (std::int64_t i = 0; i < sigma.numel(); ++i) {
    const double s = sigma[i].item<double>();
    partial.push_back(sampling_.noise_scaling(s, noise[i], x[i], NoiseStart::partial));
    full.push_back(sampling_.noise_scaling(s, noise[i], x[i], NoiseStart::full));
    inverse.push_back(sampling_.inverse_noise_scaling(s, x[i]));
  }
  expect("expected.noise_scaling", at::stack(partial));
  expect("expected.noise_scaling_max", at::stack(full));
  expect("expected.inverse_noise_scaling", at::stack(inverse));
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RecordedSchedules);
INSTANTIATE_TEST_SUITE_P(Schedules, RecordedSchedules, testing::ValuesIn(schedule_cases()),
                         [](const auto& row) { return test_name(row.param); });

Sigmas sigmas_of_node(const std::string& node, const Json& p) {
  const int steps = static_cast<int>(p.int_or("steps", 0));
  const double low = p.double_or("sigma_min", 0);
  const double high = p.double_or("sigma_max", 0);
  if (node == "KarrasScheduler") return karras_sigmas(steps, low, high, p.double_or("rho", 7));
  if (node == "ExponentialScheduler") return exponential_sigmas(steps, low, high);
  if (node == "PolyexponentialScheduler")
    return polyexponential_sigmas(steps, low, high, p.double_or("rho", 1));
  if (node == "LaplaceScheduler") {
    return laplace_sigmas(steps, low, high, p.double_or("mu", 0), p.double_or("beta", 0.5));
  }
  if (node == "VPScheduler") {
    return vp_sigmas(steps, p.double_or("beta_d", 0), p.double_or("beta_min", 0),
                     p.double_or("eps_s", 0));
  }
  if (node != "BetaSamplingScheduler" && node != "BasicScheduler") return {};
  const ModelSampling sampling{recorded_parameterizations().at(p.string_or("model_sampling", ""))};
  if (node == "BetaSamplingScheduler") {
    return beta_sigmas(sampling, steps, p.double_or("alpha", 0.6), p.double_or("beta", 0.6));
  }
  return basic_scheduler_sigmas(sampling, p.string_or("scheduler", ""), steps,
                                p.double_or("denoise", 1));
}

TEST(RecordedSchedulerNodes, GiveTheRecordedSigmas) {
  const auto shared = golden::shared_folder();
  if (!shared) GTEST_SKIP() << golden::kNoRecordedData;
  const auto recorded = golden::Case::load(*shared / "golden/schedules/nodes.safetensors");
  int compared = 0;
  for (const Json& call : recorded.info().at("calls").as_array()) {
    if (!call.find("i")) continue;
    const std::string node = call.at("node").as_string();
    const Json params = call.at("params");
    const std::string name = "expected." + std::to_string(call.at("i").as_int());
    if (node != "BasicScheduler" && params.int_or("steps", 0) < 1) continue;
    const Sigmas actual = sigmas_of_node(node, params);
    if (actual.empty() && !(node == "BasicScheduler" && params.double_or("denoise", 1) <= 0))
      continue;
    const auto comparison = golden::compare(recorded[name], as_tensor(actual), kTolerance);
    EXPECT_TRUE(comparison.agrees)
        << name << " " << node << " " << to_json(params) << ": " << comparison.message;
    ++compared;
  }
  EXPECT_GT(compared, 100);
}

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
  for (const auto& [name, settings] : recorded_parameterizations()) {
    if (settings.shift != 1.0) continue;  // the shift goes into sigmas only, as in ComfyUI
    const ModelSampling sampling{settings};
    const double sigma = 0.5 * sampling.sigma_max();
    EXPECT_NEAR(sampling.sigma(sampling.timestep(sigma)), sigma, 0.1 * sigma) << name;
  }
}

}  // namespace
}  // namespace comfy::sampling
