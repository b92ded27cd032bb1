// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/conditioning/conditioning.h"
#include "inference/models/diffusion_model.h"
#include "inference/models/hooks.h"
#include "inference/sampling/denoiser.h"
#include "inference/tensor/random.h"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace comfy::conditioning {

enum class Side { positive, negative };

/// One guided prediction, as the functions below see it.
struct GuidanceStep {
  Tensor x;            ///< the noisy sample [B, ...]
  Tensor sigma;        ///< [B]
  Tensor cond;         ///< the clean sample of the positive side
  Tensor uncond = {};  ///< of the negative side; zeros where it was not run
  double cfg = 1.0;
  bool with_uncond = true;  ///< whether the negative side was run
  /// The clean sample of one side again, for x and with more hooks than the model's own.
  std::function<Tensor(Side side, const Tensor& x, const models::BlockHooks& more)> evaluate = {};
  /// The clean sample of one of GuidanceOptions::extra_lists.
  std::function<Tensor(std::size_t list, const Tensor& x)> evaluate_extra = {};
};

/// Guidance itself, in place of uncond + cfg (cond - uncond). Returns the guided clean sample.
using CfgFunction = std::function<Tensor(const GuidanceStep&)>;
/// Changes cond and uncond before guidance.
using PreCfg = std::function<void(GuidanceStep&)>;
/// Changes the guided clean sample.
using PostCfg = std::function<Tensor(const GuidanceStep&, const Tensor& denoised)>;
using NetworkFunction = std::function<Tensor(const models::DiffusionCall&)>;
/// Stands between batching and the network.
using NetworkWrapper =
    std::function<Tensor(const NetworkFunction& network, const models::DiffusionCall& call)>;

/// What nodes hang on a model around its calls (ComfyUI's model_options), in the order in which
/// they were added. Lists act one after the other; of single functions the last one set counts.
struct GuidanceOptions {
  std::vector<PreCfg> pre_cfg = {};
  CfgFunction cfg_function = {};
  std::vector<PostCfg> post_cfg = {};
  NetworkWrapper network_wrapper = {};
  /// Changes the inpainting mask from step to step.
  sampling::MaskFunction mask_function = {};
  /// Run the negative side even where cfg 1 makes it superfluous.
  bool always_run_uncond = false;
  /// Conditions that the functions above evaluate besides the two sides.
  std::vector<Conditioning> extra_lists = {};
  /// Called as a run begins, with the generator of its noise, for hooks that draw on from it.
  std::vector<std::function<void(const tensor::Generator& generator)>> on_start = {};
  std::string key = {};  ///< names the content; two equal keys do the same
};

/// How a third list of conditions takes part in a run, beside the positive and the negative one.
struct ThirdSide {
  enum class Way {
    between,       ///< from the negative to the third by cfg, plus from the third to the positive
    nested,        ///< from the third to the positive, and from the negative to that by cfg
    perpendicular  ///< the third is an empty prompt: see perpendicular_guidance
  };
  Way way = Way::between;
  double scale = 1.0;
};

}  // namespace comfy::conditioning
