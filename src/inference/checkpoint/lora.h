// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/patch.h"
#include "inference/checkpoint/source.h"
#include "inference/checkpoint/weights.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace comfy::checkpoint {

/// The tensor (or part of one) that a name in a LoRA file stands for.
struct LoraTarget {
  std::string tensor;  ///< full name in the model's source
  std::optional<TensorPart> part = {};
};

/// Names that LoRA trainers use for a model's tensors, in the order in which they are tried.
class LoraKeys {
 public:
  /// A name that is there already keeps its place and takes the new target.
  void add(std::string name, LoraTarget target);
  void add(const LoraKeys& others);
  const std::vector<std::pair<std::string, LoraTarget>>& rows() const { return rows_; }

 private:
  std::vector<std::pair<std::string, LoraTarget>> rows_;
  std::unordered_map<std::string, std::size_t> index_;
};

/// Which text encoder a set of tensors is, for LoRA's naming. clip_g_alone: the SDXL refiner's.
enum class LoraEncoder { clip_l, clip_g, clip_g_alone, clip_h };

/// All names of a UNet's tensors: kohya (native and diffusers paths), diffusers, LyCORIS, generic
/// and native ("diffusion_model....") names. unet: the scope that holds "input_blocks.0.0.weight".
LoraKeys unet_lora_keys(const Weights& unet);
/// encoder: the scope that holds "text_model.encoder.layers.0..." (transformers' names).
LoraKeys text_encoder_lora_keys(const Weights& encoder, LoraEncoder which);
/// Any network: the generic "diffusion_model.<path>" and kohya "lora_unet_<path>" names.
LoraKeys generic_lora_keys(const Weights& network);

/// What a LoRA file means for a model.
struct Lora {
  std::vector<Patch> patches;       ///< strength 1; see scaled()
  std::vector<std::string> unused;  ///< names in the file that no target took
};

/// Reads the adapters of a file for the tensors in `keys`. Names for other parts of a model come
/// back as unused: read MODEL and CLIP with one `keys` holding both (LoraKeys::add).
/// Throws Error(invalid_input) when an adapter lacks a part.
Lora load_lora(const SourcePtr& file, const LoraKeys& keys);

/// The patches for tensors under `scope` only, with that strength.
std::vector<Patch> scaled(const Lora& lora, double strength, const Weights& scope);

/// How a LoRA is applied in one line: the weights with `lora` added to the patches they had.
Weights with_lora(const Weights& weights, const Lora& lora, double strength);

}  // namespace comfy::checkpoint
