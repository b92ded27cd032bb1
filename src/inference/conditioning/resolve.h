// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/conditioning/model_inputs.h"
#include "inference/sampling/model_sampling.h"

#include <vector>

namespace comfy::conditioning {

/// An entry ready for one run: everything in latent pixels and sigmas.
struct ResolvedEntry {
  ModelInputs inputs;
  std::optional<AbsoluteArea> area = {};
  double strength = 1.0;
  Tensor mask = {};  ///< [B, H, W] of the latent's size; empty = everywhere
  double mask_strength = 1.0;
  std::optional<double> start_sigma = {};  ///< holds from this sigma down
  std::optional<double> end_sigma = {};    ///< to this one
  std::shared_ptr<const Control> control = {};
  bool control_applies_to_uncond = false;
};

using ResolvedConditioning = std::vector<ResolvedEntry>;

/// Makes the lists of a run ready. lists[0] is the positive one, all others are negative sides.
///
/// Areas become latent pixels, masks the latent's size, percents sigmas. Where one list has an area
/// that another lacks, the other gets a copy that covers it, so that they can be batched;
/// ControlNets of the old kind are copied to the negative sides.
std::vector<ResolvedConditioning> resolve(const models::Model& model,
                                          const sampling::ModelSampling& sampling,
                                          const std::vector<Conditioning>& lists,
                                          const RunShape& run);

}  // namespace comfy::conditioning
