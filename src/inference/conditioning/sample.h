// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/conditioning/conditioning.h"
#include "inference/conditioning/evaluate.h"
#include "inference/sampling/sampler.h"
#include "inference/tensor/random.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace comfy::conditioning {

/// What sampling says after each step.
struct SampleStep {
  std::size_t index;  ///< steps done before this one
  std::size_t total;
  const Tensor&
      denoised;     ///< the clean sample as foreseen, in the network's scaling (for previews)
  const Tensor& x;  ///< the noisy sample
};

/// Called at each step. Ends the run by throwing (cancellation, Error(interrupted)).
using OnSampleStep = std::function<void(const SampleStep&)>;

/// The conditions of a run and how strongly they are followed.
struct Guide {
  Conditioning positive;
  Conditioning negative = {};
  double cfg = 1.0;
  std::optional<ThirdSide> third = {};  ///< how third_list takes part
  Conditioning third_list = {};
};

/// A latent to start from, in the autoencoder's scaling.
struct StartLatent {
  Tensor samples;                              ///< [B, C, H, W]; zeros = empty
  Tensor noise_mask = {};                      ///< 1 = paint anew, any size; empty = everything
  std::vector<std::int64_t> batch_index = {};  ///< which noise each item gets; empty = in order
};

enum class StartNoise { from_seed, none };
enum class LastStep { as_scheduled, to_zero };

/// The settings of KSampler and KSamplerAdvanced.
struct KSamplerSettings {
  std::uint64_t seed = 0;
  int steps = 20;
  std::string sampler = "euler";
  std::string scheduler = "normal";
  double denoise = 1.0;
  StartNoise noise = StartNoise::from_seed;
  std::optional<int> start_step = {};
  std::optional<int> last_step = {};
  LastStep end =
      LastStep::as_scheduled;  ///< to_zero: what is left of the noise at last_step is removed
};

/// ComfyUI's KSampler from latent to latent: noise, sigmas, guidance, inpainting, scaling. Returns
/// float32 samples in the autoencoder's scaling; the start itself when there is nothing to do.
/// Throws Error(invalid_input) for unknown names and impossible numbers.
Tensor sample(const SampledModel& model, const Guide& guide, const StartLatent& start,
              const KSamplerSettings& settings, const OnSampleStep& on_step = {});

/// What the custom samplers put together from separate nodes.
struct CustomRun {
  sampling::Sampler sampler;
  sampling::Sigmas sigmas;
  Tensor noise;  ///< of the latent's shape
  std::uint64_t seed = 0;
  /// The generator that made the noise; some samplers go on drawing from it.
  tensor::Generator generator{0};
};

/// The same with sampler, sigmas and noise given. Returns empty sigmas' start unchanged.
Tensor sample_custom(const SampledModel& model, const Guide& guide, const StartLatent& start,
                     CustomRun run, const OnSampleStep& on_step = {});

}  // namespace comfy::conditioning
