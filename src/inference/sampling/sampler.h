// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/sampling/denoiser.h"
#include "inference/sampling/schedule.h"
#include "inference/tensor/random.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::sampling {

/// One report of a sampler.
struct Step {
  std::size_t index = 0;
  double sigma = 0.0;
  const Tensor& x;         ///< the sample before (a few samplers: after) the step
  const Tensor& denoised;  ///< the clean sample as foreseen, in the network's scaling
};

/// Called once a step. Ends the run by throwing.
using OnStep = std::function<void(const Step&)>;

/// What a sampler gets besides the denoiser, the sample and the sigmas.
struct SamplerContext {
  /// Seeds the sampler's own noise .
  std::uint64_t seed = 0;
  /// The generator that made the starting noise; some samplers go on drawing from it.
  tensor::Generator generator{0};
  OnStep on_step = {};

  void report(std::size_t index, double sigma, const Tensor& x, const Tensor& denoised) const {
    if (on_step) on_step({.index = index, .sigma = sigma, .x = x, .denoised = denoised});
  }
};

/// x: noised at sigmas[0]. Returns the sample at sigmas.back().
using SamplerFunction =
    std::function<Tensor(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                         const SamplerContext& context)>;

/// With which noise the kept part of an inpainted latent is noised.
enum class InpaintNoise { same, fresh };

/// A sampler ready to run, options included.
struct Sampler {
  std::string name;
  SamplerFunction function = {};
  InpaintNoise inpaint_noise = InpaintNoise::same;
  /// What a last sigma of 0 becomes, for samplers that cannot reach it.
  double last_sigma = 0.0;
};

/// Every sampler's name in the order of the user's menu.
std::vector<std::string> sampler_names();

/// A sampler of the menu with its default options. Throws Error(invalid_input) for an unknown name
/// and Error(unsupported) for one whose work is outstanding.
Sampler find_sampler(std::string_view name);

/// Whether KSampler leaves out the last sigma before 0 for this sampler.
bool discards_penultimate_sigma(std::string_view name);

/// What a whole run needs.
struct SamplerRun {
  Sigmas sigmas;
  Tensor noise;          ///< of the latent's shape
  Tensor latent;         ///< in the network's scaling; zeros to start from nothing
  Inpaint inpaint = {};  ///< mask, mask_function and noised_latent; the rest is filled in
};

/// Noises the latent, runs the sampler, and undoes the scaling at the end, as ComfyUI's KSAMPLER.
Tensor run_sampler(const Sampler& sampler, Denoiser denoiser, SamplerRun run,
                   SamplerContext context);

}  // namespace comfy::sampling
