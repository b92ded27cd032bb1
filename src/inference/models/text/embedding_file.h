// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/source.h"
#include "inference/tensor/tensor.h"

#include <string_view>

namespace comfy::models::text {

/// The rows of a textual inversion for one encoder out of a file's tensors: the first parameter of
/// an A1111 file ("string_to_param.*"), else the tensor called like the encoder ("clip_l"), else
/// the embeddings bundled with a LoRA ("bundle_emb.<name>.*"), else the first tensor.
///
/// encoder: "clip_l", "clip_g", "clip_h". width: the encoder's; a list of tensors without names
/// ("0.key") is joined from those of that width.
/// Returns [N, D] or [D] (D may differ from width), or an empty tensor when the file holds none.
Tensor pick_embedding(const checkpoint::NamedTensors& tensors, std::string_view encoder,
                      std::int64_t width);

}  // namespace comfy::models::text
