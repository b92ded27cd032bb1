// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/published_schedules.h"

#include "foundation/base/error.h"
#include "inference/sampling/gits_levels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

namespace comfy::sampling {
namespace {

constexpr double kStableDiffusion1[] = {14.6146412293, 6.4745760956, 3.8636745985, 2.6946151520,
                                        1.8841921177,  1.3943805092, 0.9642583904, 0.6523686016,
                                        0.3977456272,  0.1515232662, 0.0291671582};
constexpr double kStableDiffusionXl[] = {14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769,
                                         1.3405244945,  0.8620721141, 0.5550693289, 0.3798540708,
                                         0.2332364134,  0.1114188177, 0.0291671582};
constexpr double kStableVideo[] = {700.00, 54.5,  15.886, 7.977, 4.248, 1.789,
                                   0.981,  0.403, 0.173,  0.034, 0.002};
constexpr double kFlux[] = {0.9968, 0.9886, 0.9819, 0.975,  0.966, 0.9471,
                            0.9158, 0.8287, 0.5512, 0.2808, 0.001};
constexpr double kWan[] = {1.0,   0.997, 0.995, 0.993, 0.991, 0.989, 0.987,
                           0.985, 0.98,  0.975, 0.973, 0.968, 0.96,  0.946,
                           0.927, 0.902, 0.864, 0.776, 0.539, 0.208, 0.001};
constexpr double kChroma[] = {0.992, 0.99,  0.988, 0.985, 0.982, 0.978, 0.973, 0.968, 0.961,
                              0.953, 0.943, 0.931, 0.917, 0.9,   0.881, 0.858, 0.832, 0.802,
                              0.769, 0.731, 0.69,  0.646, 0.599, 0.55,  0.501, 0.451, 0.402,
                              0.355, 0.311, 0.27,  0.232, 0.199, 0.169, 0.143, 0.12,  0.101,
                              0.084, 0.07,  0.058, 0.048, 0.001};

struct Row {
  std::string_view model;
  std::span<const double> levels;
};
constexpr Row kAlignYourSteps[] = {
    {"SD1", kStableDiffusion1}, {"SDXL", kStableDiffusionXl}, {"SVD", kStableVideo}};
constexpr Row kOptimalSteps[] = {{"FLUX", kFlux}, {"Wan", kWan}, {"Chroma", kChroma}};

std::span<const double> find(std::span<const Row> rows, std::string_view model) {
  for (const Row& row : rows)
    if (row.model == model) return row.levels;
  throw Error(Error::Kind::invalid_input,
              fmt::format("expected one of the models that were searched for, got \"{}\"", model));
}

/// `count` levels along the same curve, in log sigma, counted from its end.
Sigmas interpolated(std::span<const double> levels, std::size_t count) {
  const auto last = static_cast<double>(levels.size() - 1);
  Sigmas result(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double place =
        count == 1 ? 0.0 : last * static_cast<double>(i) / static_cast<double>(count - 1);
    const auto below = std::min(static_cast<std::size_t>(place), levels.size() - 2);
    const double high = std::log(levels[levels.size() - 2 - below]);
    const double low = std::log(levels[levels.size() - 1 - below]);
    const double part = place - static_cast<double>(below);
    result[count - 1 - i] = std::exp(low + (high - low) * part);
  }
  return result;
}

/// The levels of a run, or the last part of them, ending at 0, as float32.
Sigmas last_part(Sigmas levels, int steps, double denoise) {
  if (denoise <= 0.0) return {};
  const auto kept = denoise < 1.0 ? std::llrint(steps * denoise) : steps;
  const auto wanted = static_cast<std::size_t>(kept) + 1;
  if (levels.size() > wanted)
    levels.erase(levels.begin(), levels.end() - static_cast<std::ptrdiff_t>(wanted));
  levels.back() = 0.0;
  for (double& level : levels) level = static_cast<float>(level);
  return levels;
}

Sigmas searched(std::span<const double> levels, int steps, double denoise) {
  const auto count = static_cast<std::size_t>(std::max(steps, 1)) + 1;
  return last_part(
      count == levels.size() ? Sigmas(levels.begin(), levels.end()) : interpolated(levels, count),
      steps, denoise);
}

}  // namespace

Sigmas align_your_steps_sigmas(std::string_view model, int steps, double denoise) {
  return searched(find(kAlignYourSteps, model), steps, denoise);
}

Sigmas optimal_steps_sigmas(std::string_view model, int steps, double denoise) {
  return searched(find(kOptimalSteps, model), steps, denoise);
}

Sigmas gits_sigmas(double coefficient, int steps, double denoise) {
  constexpr double kLowest = 0.8, kApart = 0.05, kClose = 0.005;
  const double place = (coefficient - kLowest) / kApart;
  const auto number = std::llrint(place);
  if (number < 0 || number >= static_cast<long long>(kGitsCoefficients) ||
      std::abs(place - static_cast<double>(number)) * kApart > kClose || steps < 2)
    throw Error(Error::Kind::invalid_input,
                fmt::format("expected a coefficient from 0.8 to 1.5 by 0.05 and 2 steps or more, "
                            "got {} and {}",
                            coefficient, steps));
  const int tabulated = std::min(steps, kGitsMostSteps);
  const auto inner = static_cast<std::size_t>(tabulated - 1);
  const unsigned char* choice = kGitsChoice[number] + inner * (inner - 1) / 2;
  Sigmas sigmas{kGitsFirst};
  for (std::size_t i = 0; i < inner; ++i) sigmas.push_back(kGitsLevels[choice[i]]);
  sigmas.push_back(kGitsLast);
  if (steps > kGitsMostSteps) sigmas = interpolated(sigmas, static_cast<std::size_t>(steps) + 1);
  return last_part(std::move(sigmas), steps, denoise);
}

Sigmas ltxv_sigmas(int steps, double shift, std::optional<double> terminal) {
  Sigmas sigmas;
  for (int i = 0; i <= steps; ++i) {
    const auto t = static_cast<float>(1.0 - static_cast<double>(i) / steps);
    sigmas.push_back(i == steps ? 0.0 : std::exp(shift) / (std::exp(shift) + (1 / t - 1)));
  }
  if (terminal && steps > 0) {
    const double scale = (1.0 - sigmas[sigmas.size() - 2]) / (1.0 - *terminal);
    for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) sigmas[i] = 1.0 - (1.0 - sigmas[i]) / scale;
  }
  for (double& sigma : sigmas) sigma = static_cast<float>(sigma);
  return sigmas;
}

}  // namespace comfy::sampling
