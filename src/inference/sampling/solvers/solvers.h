// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/sampling/sampler.h"

#include <functional>
#include <limits>
#include <span>
#include <string>

namespace comfy::sampling {

// Every solver: x is noised at sigmas[0]; sigmas decrease, the last usually 0; returns the sample
// at sigmas.back(). Defaults are ComfyUI's.

/// Extra noise before each step. Karras et al. 2022 (arXiv:2206.00364), algorithm 2.
struct Churn {
  double s_churn = 0.0;
  double s_tmin = 0.0;
  double s_tmax = std::numeric_limits<double>::infinity();
  double s_noise = 1.0;
};

/// How much of each step is noise: eta 0 = none.
struct Stochastic {
  double eta = 1.0;
  double s_noise = 1.0;
};

/// Euler's method. Karras et al. 2022, algorithm 2 without its second stage.
Tensor euler(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
             const SamplerContext& context, const Churn& options = {});
/// Euler's method with fresh noise at each step; for flows the variant that keeps alpha + sigma
/// = 1.
Tensor euler_ancestral(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                       const SamplerContext& context, const Stochastic& options = {});
/// CFG++ (Chung et al. 2024, arXiv:2406.08070): renoises along the unguided direction. eta 0 =
/// plain.
Tensor euler_ancestral_cfg_pp(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                              const SamplerContext& context, const Stochastic& options = {});
Tensor euler_cfg_pp(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                    const SamplerContext& context);
/// Euler's method where guidance moves the sample a second time: the "alternative" of
/// SamplerEulerCFGpp.
Tensor euler_pp(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                const SamplerContext& context);

/// Heun's method. Karras et al. 2022, algorithm 2.
Tensor heun(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
            const SamplerContext& context, const Churn& options = {});
/// Heun's method with a third evaluation and weights by sigma.
Tensor heunpp2(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
               const SamplerContext& context, const Churn& options = {});

/// The midpoint method in log sigma, after DPM-Solver-2 (Lu et al. 2022, arXiv:2206.00927).
Tensor dpm_2(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
             const SamplerContext& context, const Churn& options = {});
Tensor dpm_2_ancestral(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                       const SamplerContext& context, const Stochastic& options = {});

struct MaxOrder {
  int order = 4;
};
/// Linear multistep (Adams-Bashforth on uneven steps).
Tensor lms(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
           const SamplerContext& context, const MaxOrder& options = {});
/// Improved pseudo linear multistep (Zhang & Chen 2022, arXiv:2204.13902), constant and variable
/// steps.
Tensor ipndm(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
             const SamplerContext& context, const MaxOrder& options = {});
Tensor ipndm_v(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
               const SamplerContext& context, const MaxOrder& options = {});
/// Diffusion exponential integrator, tAB form (Zhang & Chen 2022, arXiv:2204.13902). order 1 to 4.
Tensor deis(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
            const SamplerContext& context, const MaxOrder& options = {.order = 3});

/// DPM-Solver with as many evaluations as there are steps, from the first sigma to the last
/// positive one.
Tensor dpm_fast(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                const SamplerContext& context, const Stochastic& options = {.eta = 0.0});
struct DpmAdaptive {
  int order = 3;  ///< 2 or 3
  double rtol = 0.05;
  double atol = 0.0078;
  double h_init = 0.05;
  double pcoeff = 0.0;
  double icoeff = 1.0;
  double dcoeff = 0.0;
  double accept_safety = 0.81;
  double eta = 0.0;
  double s_noise = 1.0;
};
/// DPM-Solver-12 or -23 with a step size controlled by its error; the number of steps is not given.
/// Throws Error(invalid_input) for an order other than 2 or 3.
Tensor dpm_adaptive(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                    const SamplerContext& context, const DpmAdaptive& options = {});

/// DPM-Solver++(2S) (Lu et al. 2022, arXiv:2211.01095) with fresh noise, and its CFG++ form.
Tensor dpmpp_2s_ancestral(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                          const SamplerContext& context, const Stochastic& options = {});
Tensor dpmpp_2s_ancestral_cfg_pp(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                                 const SamplerContext& context, const Stochastic& options = {});
/// DPM-Solver++(2M), and its CFG++ form.
Tensor dpmpp_2m(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                const SamplerContext& context);
Tensor dpmpp_2m_cfg_pp(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                       const SamplerContext& context);

struct DpmppSde {
  double eta = 1.0;
  double s_noise = 1.0;
  double r = 0.5;
};
/// SDE forms of DPM-Solver++ on a Brownian path: two stages; multistep of order 2 and 3.
Tensor dpmpp_sde(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                 const SamplerContext& context, const DpmppSde& options = {});
struct Dpmpp2mSde {
  enum class Solver { midpoint, heun };
  double eta = 1.0;
  double s_noise = 1.0;
  Solver solver = Solver::midpoint;
};
Tensor dpmpp_2m_sde(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                    const SamplerContext& context, const Dpmpp2mSde& options = {});
Tensor dpmpp_3m_sde(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                    const SamplerContext& context, const Stochastic& options = {});

/// Ancestral sampling of Ho et al. 2020 (arXiv:2006.11239).
Tensor ddpm(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
            const SamplerContext& context);
/// Latent consistency: jumps to the clean sample and noises it again. Luo et al. 2023
/// (arXiv:2310.04378).
Tensor lcm(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
           const SamplerContext& context);
struct LcmUpscale {
  double scale_ratio = 1.0;
  int scale_steps = -1;  ///< -1 = the first half of the steps
  std::string method = "bislerp";
};
/// The same, the sample growing on the way.
Tensor lcm_upscale(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                   const SamplerContext& context, const LcmUpscale& options = {});

struct ResMultistep {
  double eta = 0.0;
  double s_noise = 1.0;
  Guidance guidance = Guidance::combined;
};
/// Refined exponential solver, multistep of order 2. Zhang et al. 2023 (arXiv:2308.02157).
Tensor res_multistep(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                     const SamplerContext& context, const ResMultistep& options = {});

struct GradientEstimation {
  double ge_gamma = 2.0;
  Guidance guidance = Guidance::combined;
};
/// Gradient estimation. Permenter & Yuan 2023 (arXiv:2306.04848).
Tensor gradient_estimation(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                           const SamplerContext& context, const GradientEstimation& options = {});

struct ErSde {
  double s_noise = 1.0;
  int max_stage = 3;
  /// How noise shrinks with sigma / alpha; nothing = the paper's fifth choice.
  std::function<double(double)> noise_scaler = {};
};
/// Extended reverse-time SDE solver. Cui et al. 2023 (arXiv:2309.06169).
Tensor er_sde(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
              const SamplerContext& context, const ErSde& options = {});

struct Seeds2 {
  double eta = 1.0;
  double s_noise = 1.0;
  double r = 0.5;
};
struct Seeds3 {
  double eta = 1.0;
  double s_noise = 1.0;
  double r_1 = 1.0 / 3.0;
  double r_2 = 2.0 / 3.0;
};
/// Stochastic exponential solvers of two and three stages. Gonzalez et al. 2023 (arXiv:2305.14267).
Tensor seeds_2(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
               const SamplerContext& context, const Seeds2& options = {});
Tensor seeds_3(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
               const SamplerContext& context, const Seeds3& options = {});

struct SaSolver {
  enum class Mode { predict_evaluate_correct, predict_evaluate_correct_evaluate };
  enum class SecondOrder { full, simple };
  /// How stochastic the step to a sigma is; nothing = 1 between 20 and 80 percent of sampling, else
  /// 0.
  std::function<double(double sigma)> tau = {};
  double s_noise = 1.0;
  int predictor_order = 3;
  int corrector_order = 4;
  Mode mode = Mode::predict_evaluate_correct;
  SecondOrder second_order = SecondOrder::full;
};
/// Stochastic Adams, predictor and corrector. Xue et al. 2023 (arXiv:2309.05019).
Tensor sa_solver(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                 const SamplerContext& context, const SaSolver& options = {});

enum class UniPcVariant { bh1, bh2 };
/// What a last sigma of 0 becomes for uni_pc, which cannot reach it.
inline constexpr double kUniPcLastSigma = 0.001F;
/// Unified predictor-corrector. Zhao et al. 2023 (arXiv:2302.04867).
Tensor uni_pc(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
              const SamplerContext& context, UniPcVariant variant = UniPcVariant::bh1);

}  // namespace comfy::sampling
