// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/conditioning/conditioning.h"
#include "inference/conditioning/guidance.h"
#include "inference/models/model.h"

namespace comfy::conditioning {

/// What a network is given besides the noisy sample: one entry's, for the whole latent.
struct ModelInputs {
  Tensor context;      ///< [B, L, D]
  Tensor y = {};       ///< [B, A]; empty when the network has none
  Tensor concat = {};  ///< [B, C, H, W] channels beside the sample; empty when the network has none
};

/// The run for which inputs are made.
struct RunShape {
  Shape latent;              ///< of the noise
  Tensor latent_image = {};  ///< in the network's scaling
  Tensor denoise_mask = {};  ///< of the latent's shape; empty = none
};

/// Makes an entry's inputs as the model's family wants them. Throws Error(invalid_input) naming
/// what the entry lacks and Error(unsupported) for a kind of conditioning that is outstanding.
ModelInputs model_inputs(const models::Model& model, const Entry& entry, Side side,
                         const RunShape& run);

}  // namespace comfy::conditioning
