// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/sampling/model_sampling.h"
#include "inference/sampling/sampler.h"
#include "inference/sampling/schedule.h"

#include <cstdint>
#include <functional>
#include <span>

namespace comfy::sampling {

// What the solvers share. Sigmas and times are doubles; samples are tensors.

/// Noise that a solver adds on its way between two sigmas, of unit variance.
using StepNoise = std::function<Tensor(double from, double to)>;

/// Fresh noise at each call from a generator of its own. Seeded with the run's seed, as in ComfyUI,
/// its first numbers are those of the starting noise.
StepNoise independent_noise(const Tensor& x, std::uint64_t seed);
/// Increments of one Brownian path over the positive sigmas, so that steps of any size agree.
StepNoise brownian_noise(const Tensor& x, std::span<const double> sigmas, std::uint64_t seed);
/// Noise of x's shape from the generator that made the starting noise.
Tensor noise_like(const Tensor& x, const SamplerContext& context);

/// The direction of the probability-flow ODE.
Tensor direction(const Tensor& x, double sigma, const Tensor& denoised);

/// A step down to `down` and noise of strength `up` on top of it reach `to`.
struct AncestralStep {
  double down;
  double up;
};
AncestralStep ancestral_step(double from, double to, double eta);

/// The same for rectified flows: after the step down, x is scaled by `keep` and noised with
/// `renoise`.
struct FlowAncestralStep {
  double down;
  double keep;
  double renoise;
};
FlowAncestralStep flow_ancestral_step(double from, double to, double eta);

/// Half the log signal-to-noise ratio at a sigma, and back. Rounded to float32 as the reference's,
/// because a Brownian path gives other noise at a sigma that differs in the last digit.
double half_log_snr(double sigma, const ModelSampling& sampling);
double sigma_of_half_log_snr(double half_log_snr, const ModelSampling& sampling);
/// A flow's first sigma of 1 has no finite log SNR: moved a little down.
Sigmas with_finite_snr(std::span<const double> sigmas, const ModelSampling& sampling);
/// The clean part's weight at a sigma.
double alpha(double sigma, const ModelSampling& sampling);

}  // namespace comfy::sampling
