// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/sampling/model_sampling.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::sampling {

/// Noise levels in the order a sampler visits them: decreasing, the last usually 0.
/// Values are float32 numbers in doubles.
using Sigmas = std::vector<double>;

/// A named way to spread steps over a model's sigmas.
struct Schedule {
  std::string_view name;
  /// Returns steps + 1 sigmas (now and then fewer or more, as ComfyUI's).
  Sigmas (*function)(const ModelSampling& sampling, int steps);
};

/// Every schedule in the order of the user's menu.
std::span<const Schedule> schedules();
std::vector<std::string> schedule_names();

/// Throws Error(invalid_input) for an unknown name or steps < 1.
Sigmas schedule(std::string_view name, const ModelSampling& sampling, int steps);

/// The sigmas that ComfyUI's KSampler visits: with denoise < 1 the last `steps` of a longer
/// schedule; some samplers leave out the last sigma before 0. Empty when denoise <= 0.
Sigmas ksampler_sigmas(const ModelSampling& sampling, std::string_view sampler,
                       std::string_view scheduler, int steps, double denoise);
/// BasicScheduler's rule: as above, but with steps / denoise rounded as that node does.
Sigmas basic_scheduler_sigmas(const ModelSampling& sampling, std::string_view scheduler, int steps,
                              double denoise);

/// Karras et al. 2022 (arXiv:2206.00364), eq. 5. Appends 0.
Sigmas karras_sigmas(int steps, double sigma_min, double sigma_max, double rho = 7.0);
/// Evenly spaced in log sigma. Appends 0.
Sigmas exponential_sigmas(int steps, double sigma_min, double sigma_max);
/// A power law in log sigma. Appends 0.
Sigmas polyexponential_sigmas(int steps, double sigma_min, double sigma_max, double rho = 1.0);
/// The log sigmas of a Laplace distribution (Hang et al. 2024, arXiv:2407.03297). Appends 0.
Sigmas laplace_sigmas(int steps, double sigma_min, double sigma_max, double mu = 0.0,
                      double beta = 0.5);
/// The variance-preserving schedule of Song et al. 2021. Appends 0.
Sigmas vp_sigmas(int steps, double beta_d = 19.9, double beta_min = 0.1, double eps_s = 1e-3);
/// Timesteps at the quantiles of a Beta distribution (Lee et al. 2024, arXiv:2407.12173). Appends
/// 0.
Sigmas beta_sigmas(const ModelSampling& sampling, int steps, double alpha = 0.6, double beta = 0.6);

}  // namespace comfy::sampling
