// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/catalog.h"

#include "inference/sampling/solvers/solvers.h"

#include <array>

namespace comfy::sampling {

namespace {

using Levels = std::span<const double>;

/// A solver with its default options.
template <auto solver>
Tensor plain(const Denoiser& denoise, Tensor x, Levels sigmas, const SamplerContext& context) {
  return solver(denoise, std::move(x), sigmas, context, {});
}

/// A solver with the options given.
template <auto solver, auto options>
Tensor with(const Denoiser& denoise, Tensor x, Levels sigmas, const SamplerContext& context) {
  return solver(denoise, std::move(x), sigmas, context, options());
}

constexpr auto kDeisOrder = [] { return MaxOrder{.order = 3}; };
constexpr auto kNoNoise = [] { return Stochastic{.eta = 0.0}; };
constexpr auto kHeunSde = [] { return Dpmpp2mSde{.solver = Dpmpp2mSde::Solver::heun}; };
constexpr auto kResCfgPp = [] { return ResMultistep{.guidance = Guidance::with_uncond}; };
constexpr auto kResAncestral = [] { return ResMultistep{.eta = 1.0}; };
constexpr auto kResAncestralCfgPp = [] {
  return ResMultistep{.eta = 1.0, .guidance = Guidance::with_uncond};
};
constexpr auto kGradientCfgPp = [] {
  return GradientEstimation{.guidance = Guidance::with_uncond};
};
constexpr auto kPece = [] {
  return SaSolver{.mode = SaSolver::Mode::predict_evaluate_correct_evaluate};
};
constexpr auto kBh1 = [] { return UniPcVariant::bh1; };
constexpr auto kBh2 = [] { return UniPcVariant::bh2; };

constexpr std::array<SamplerRow, 42> kSamplers{{
    {"euler", plain<euler>},
    {"euler_cfg_pp", euler_cfg_pp},
    {"euler_ancestral", plain<euler_ancestral>},
    {"euler_ancestral_cfg_pp", plain<euler_ancestral_cfg_pp>},
    {"heun", plain<heun>},
    {"heunpp2", plain<heunpp2>},
    {"dpm_2", plain<dpm_2>, Penultimate::left_out},
    {"dpm_2_ancestral", plain<dpm_2_ancestral>, Penultimate::left_out},
    {"lms", plain<lms>},
    {"dpm_fast", with<dpm_fast, kNoNoise>},
    {"dpm_adaptive", plain<dpm_adaptive>},
    {"dpmpp_2s_ancestral", plain<dpmpp_2s_ancestral>},
    {"dpmpp_2s_ancestral_cfg_pp", plain<dpmpp_2s_ancestral_cfg_pp>},
    {"dpmpp_sde", plain<dpmpp_sde>},
    {"dpmpp_sde_gpu", plain<dpmpp_sde>},
    {"dpmpp_2m", dpmpp_2m},
    {"dpmpp_2m_cfg_pp", dpmpp_2m_cfg_pp},
    {"dpmpp_2m_sde", plain<dpmpp_2m_sde>},
    {"dpmpp_2m_sde_gpu", plain<dpmpp_2m_sde>},
    {"dpmpp_2m_sde_heun", with<dpmpp_2m_sde, kHeunSde>},
    {"dpmpp_2m_sde_heun_gpu", with<dpmpp_2m_sde, kHeunSde>},
    {"dpmpp_3m_sde", plain<dpmpp_3m_sde>},
    {"dpmpp_3m_sde_gpu", plain<dpmpp_3m_sde>},
    {"ddpm", ddpm},
    {"lcm", lcm},
    {"ipndm", plain<ipndm>},
    {"ipndm_v", plain<ipndm_v>},
    {"deis", with<deis, kDeisOrder>},
    {"res_multistep", plain<res_multistep>},
    {"res_multistep_cfg_pp", with<res_multistep, kResCfgPp>},
    {"res_multistep_ancestral", with<res_multistep, kResAncestral>},
    {"res_multistep_ancestral_cfg_pp", with<res_multistep, kResAncestralCfgPp>},
    {"gradient_estimation", plain<gradient_estimation>},
    {"gradient_estimation_cfg_pp", with<gradient_estimation, kGradientCfgPp>},
    {"er_sde", plain<er_sde>},
    {"seeds_2", plain<seeds_2>},
    {"seeds_3", plain<seeds_3>},
    {"sa_solver", plain<sa_solver>},
    {"sa_solver_pece", with<sa_solver, kPece>},
    {"ddim", plain<euler>, Penultimate::kept, InpaintNoise::fresh},
    {"uni_pc", with<uni_pc, kBh1>, Penultimate::left_out, InpaintNoise::same, kUniPcLastSigma},
    {"uni_pc_bh2", with<uni_pc, kBh2>, Penultimate::left_out, InpaintNoise::same, kUniPcLastSigma},
}};

}  // namespace

std::span<const SamplerRow> sampler_catalog() { return kSamplers; }

}  // namespace comfy::sampling
