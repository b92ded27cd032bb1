// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/weights.h"
#include "inference/models/diffusion_model.h"
#include "inference/models/latent_format.h"
#include "inference/sampling/model_sampling.h"

#include <memory>
#include <string_view>
#include <vector>

namespace comfy::models::text {
struct ClipModel;
}

namespace comfy::models {

using checkpoint::Weights;

/// Which text encoders a family reads, where they lie in its checkpoints and how their results are
/// joined.
enum class TextFamily { none, sd1, sd2, sdxl, sdxl_refiner };

/// The encoders of a family. Throws Error(unsupported) for none.
const text::ClipModel& clip_model(TextFamily family);

/// What `y` is made of (spec of each in conditioning/).
enum class VectorConditioning {
  none,
  unclip,        ///< noised image embedding and its noise level
  sdxl,          ///< pooled text, then size, crop and target size
  sdxl_refiner,  ///< pooled text, then size, crop and aesthetic score
  video,         ///< frames per second, motion bucket, augmentation
  noise_level    ///< an integer level
};

/// What the channels beyond the latent's own hold.
enum class ConcatConditioning {
  none,
  inpaint,  ///< mask, then the latent of the masked picture
  image     ///< the latent of a picture
};

/// One family of diffusion networks: all that is known about it besides its code.
struct Architecture {
  std::string_view name;  ///< ComfyUI's class of the family: "SD15", "SDXL"
  /// Whether these are its tensors. Asked with the network's scope; looks at names and shapes only.
  bool (*detect)(const Weights& network);
  std::unique_ptr<DiffusionModel> (*build)(const Weights& network);
  const LatentFormat* latent;
  /// Parameterization of a checkpoint. Asked with the network's scope and the whole file.
  sampling::SamplingSettings (*sampling)(const Weights& network, const Weights& file);
  /// What a checkpoint's own marks may change about the latents; usually `latent` itself.
  const LatentFormat* (*latent_of)(const Weights& file) = nullptr;
  TextFamily text = TextFamily::none;
  std::string_view vae_prefix = "first_stage_model";
  VectorConditioning vector = VectorConditioning::none;
  /// What the channels beyond the latent hold; nothing = the network has none.
  ConcatConditioning (*concat)(const Weights& network) = nullptr;
  /// Memory of an evaluation relative to SD1.5's (ComfyUI's memory_usage_factor).
  double memory_factor = 1.0;
};

/// Every family this program knows.
const std::vector<const Architecture*>& catalogue();

/// The family of these tensors. network: the scope that holds the diffusion network. Every detector
/// is asked; nothing when none answers. Throws Error(internal) naming both when two do.
const Architecture* detect_architecture(const Weights& network);

/// By name; nothing when there is none.
const Architecture* find_architecture(std::string_view name);

}  // namespace comfy::models
