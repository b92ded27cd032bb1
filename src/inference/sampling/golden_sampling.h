// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// For this layer's tests only: what the recorded cases of schedules and samplers mean.
#include "foundation/base/error.h"
#include "golden/golden_case.h"
#include "inference/sampling/model_sampling.h"
#include "inference/sampling/schedule.h"
#include "inference/tensor/ops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace comfy::sampling {

/// The parameterizations of the recorded cases, by the cases' names.
inline const std::map<std::string, SamplingSettings>& recorded_parameterizations() {
  using enum Prediction;
  static const std::map<std::string, SamplingSettings> kSettings{
      {"eps_sd1", {}},
      {"eps", {}},
      {"eps_cosine", {.beta_schedule = BetaSchedule::cosine}},
      {"eps_sqrt_linear", {.beta_schedule = BetaSchedule::sqrt_linear}},
      {"v_prediction", {.prediction = v}},
      {"v_prediction_zsnr", {.prediction = v, .zsnr = true}},
      {"v_zsnr", {.prediction = v, .zsnr = true}},
      {"lcm_distilled", {.prediction = lcm, .space = SigmaSpace::distilled}},
      {"discrete_edm", {.prediction = edm, .space = SigmaSpace::discrete_edm}},
      {"edm_playground",
       {.prediction = edm,
        .space = SigmaSpace::continuous_edm,
        .sigma_max = 80.0,
        .sigma_data = 0.5}},
      {"continuous_edm_node_default",
       {.prediction = edm, .space = SigmaSpace::continuous_edm, .sigma_data = 0.5}},
      {"svd_v_continuous_edm",
       {.prediction = v, .space = SigmaSpace::continuous_edm, .sigma_max = 700.0}},
      {"continuous_v",
       {.prediction = v, .space = SigmaSpace::continuous_v, .sigma_min = 0.03, .sigma_max = 500.0}},
      {"cosmos_rflow",
       {.prediction = cosmos_rflow, .space = SigmaSpace::cosmos_rflow, .sigma_max = 80.0}},
      {"flow_shift3", {.prediction = flow, .space = SigmaSpace::flow, .shift = 3.0}},
      {"flow", {.prediction = flow, .space = SigmaSpace::flow, .shift = 3.0}},
      {"flow_shift1_mult1", {.prediction = flow, .space = SigmaSpace::flow, .multiplier = 1.0}},
      {"auraflow_1.73",
       {.prediction = flow, .space = SigmaSpace::flow, .shift = 1.73, .multiplier = 1.0}},
      {"flux_0", {.prediction = flow, .space = SigmaSpace::flux, .shift = 0.0}},
      {"flux_1.15", {.prediction = flow, .space = SigmaSpace::flux, .shift = 1.15}},
      {"cascade_shift1", {.space = SigmaSpace::cascade}},
      {"cascade_shift2", {.space = SigmaSpace::cascade, .shift = 2.0}},
  };
  return kSettings;
}

/// The recorded cases of an area: all where there is recorded data, otherwise those kept in the
/// tests.
inline std::vector<std::filesystem::path> recorded_cases(const std::string& area) {
  const auto shared = golden::shared_folder();
  const std::filesystem::path folder =
      shared ? *shared / "golden" / area : std::filesystem::path{"tests/golden/cases"} / area;
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::exists(folder)) return files;
  for (const auto& entry : std::filesystem::directory_iterator{folder}) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

inline Tensor as_tensor(const Sigmas& sigmas) {
  return at::tensor(at::ArrayRef<double>{sigmas.data(), sigmas.size()}, at::kDouble);
}

inline Sigmas as_sigmas(const Tensor& values) {
  const Tensor numbers = values.to(at::kDouble).contiguous();
  const double* begin = numbers.const_data_ptr<double>();
  return {begin, begin + numbers.numel()};
}

/// The name of a test of a file: letters, digits and underlines.
inline std::string test_name(const std::filesystem::path& file) {
  std::string name = file.stem().string();
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

}  // namespace comfy::sampling
