// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

namespace comfy::sampling {

/// What a network's output means.
enum class Prediction {
  eps,           ///< the noise
  v,             ///< velocity (Salimans & Ho 2022)
  edm,           ///< preconditioned as in Karras et al. 2022
  x0,            ///< the clean sample
  image,         ///< the clean sample, and the input is not scaled
  lcm,           ///< noise, mixed with the input as latent consistency models do
  flow,          ///< rectified flow: noise minus sample
  cosmos_rflow,  ///< rectified flow on variance-exploding sigmas
};

/// How timesteps of the network map to sigmas.
enum class SigmaSpace {
  discrete,        ///< a table made from betas
  distilled,       ///< every 20th entry of that table
  discrete_edm,    ///< the table's sigmas; timestep = ln(sigma) / 4
  continuous_edm,  ///< sigmas evenly in log; timestep = ln(sigma) / 4
  continuous_v,    ///< timestep = 2 atan(sigma) / pi
  flow,            ///< sigma in (0, 1], shifted as Stable Diffusion 3 does
  flux,            ///< sigma in (0, 1], shifted exponentially; the timestep is sigma
  cascade,         ///< cosine schedule shifted in log SNR
  cosmos_rflow,    ///< timestep = sigma / (sigma + 1)
};

enum class BetaSchedule { linear, cosine, sqrt_linear, sqrt };

/// Everything that tells one parameterization from another: plain numbers, named as ComfyUI's
/// sampling settings. A model has one; nodes replace it.
struct SamplingSettings {
  Prediction prediction = Prediction::eps;
  SigmaSpace space = SigmaSpace::discrete;
  BetaSchedule beta_schedule = BetaSchedule::linear;
  double linear_start = 0.00085;
  double linear_end = 0.012;
  int timesteps = 1000;  ///< of the beta table
  bool zsnr = false;     ///< rescale the table to zero terminal signal-to-noise ratio
  double shift = 1.0;
  double multiplier = 1000.0;  ///< flow: timestep = sigma * multiplier
  double sigma_min = 0.002;    ///< continuous spaces
  double sigma_max = 120.0;
  double sigma_data = 1.0;
  double cosine_s = 8e-3;

  bool operator==(const SamplingSettings&) const = default;
};

/// Whether sampling starts from pure noise or from a noised latent.
enum class NoiseStart { partial, full };

/// A parameterization at work: its sigma table and the arithmetic between sample, noise and
/// network.
///
/// A cheap value; copies share the tables. Arithmetic is float32, as in ComfyUI, so that sigmas
/// agree with it to the last digits.
class ModelSampling {
 public:
  explicit ModelSampling(const SamplingSettings& settings = {});

  const SamplingSettings& settings() const { return settings_; }
  Prediction prediction() const { return settings_.prediction; }
  /// Rectified flow with sigmas in (0, 1], where samplers take other steps.
  bool is_flow() const { return settings_.prediction == Prediction::flow; }

  /// [N] float32, increasing.
  const Tensor& sigmas() const { return sigmas_; }
  double sigma_min() const;
  double sigma_max() const;

  /// Sigmas of any shape to timesteps of the network, and back.
  Tensor timestep(const Tensor& sigma) const;
  Tensor sigma(const Tensor& timestep) const;
  double timestep(double sigma) const;
  double sigma(double timestep) const;
  /// percent 0 = start of sampling (infinite sigma; 1 for flows), 1 = end (sigma 0).
  double percent_to_sigma(double percent) const;

  /// x: [B, ...], sigma: [B]. What the network gets in place of x.
  Tensor calculate_input(const Tensor& sigma, const Tensor& x) const;
  /// The clean sample according to the network's output for x.
  Tensor calculate_denoised(const Tensor& sigma, const Tensor& output, const Tensor& x) const;
  /// The starting point of sampling: latent with noise of strength sigma.
  Tensor noise_scaling(double sigma, const Tensor& noise, const Tensor& latent,
                       NoiseStart start) const;
  /// What the caller gets when sampling ends at sigma.
  Tensor inverse_noise_scaling(double sigma, const Tensor& latent) const;

 private:
  SamplingSettings settings_;
  Tensor sigmas_;
  Tensor log_sigmas_;
};

}  // namespace comfy::sampling
