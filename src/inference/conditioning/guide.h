// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/conditioning/evaluate.h"
#include "inference/conditioning/guidance.h"
#include "inference/sampling/denoiser.h"

#include <optional>
#include <vector>

namespace comfy::conditioning {

/// The lists of a run and how strongly they count.
struct GuideLists {
  /// [0] is the positive side, [1] the negative one, [2] the third where there is one.
  std::vector<ResolvedConditioning> sides;
  std::vector<ResolvedConditioning> extra = {};  ///< GuidanceOptions::extra_lists
  double cfg = 1.0;
  std::optional<ThirdSide> third = {};
};

/// Classifier-free guidance: how the sides of a run become one clean sample.
///
/// At cfg 1 the negative side is left out unless a sampler or an option of the model asks for it.
/// The model's options (GuidanceOptions) act here. Ho & Salimans 2022 (arXiv:2207.12598).
sampling::Denoiser guided_denoiser(Evaluator evaluator, GuideLists lists);

/// Away from that part of the negative prediction which is perpendicular to the positive one.
/// Armandpour et al. 2023 (arXiv:2304.04968). All are clean samples of one shape.
Tensor perpendicular_guidance(const Tensor& positive, const Tensor& negative, const Tensor& empty,
                              double negative_scale, double cfg);

}  // namespace comfy::conditioning
