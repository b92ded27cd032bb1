// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/conditioning/evaluate.h"
#include "inference/sampling/denoiser.h"

namespace comfy::conditioning {

/// Classifier-free guidance: how the sides of a run become one clean sample.
///
/// lists[0] is the positive side, lists[1] the negative one. At cfg 1 the negative side is left out
/// unless a sampler or an option of the model asks for it. The model's options (guide,
/// before_guide, after_guide) act here. Ho & Salimans 2022 (arXiv:2207.12598).
sampling::Denoiser guided_denoiser(Evaluator evaluator, std::vector<ResolvedConditioning> lists,
                                   double cfg);

}  // namespace comfy::conditioning
