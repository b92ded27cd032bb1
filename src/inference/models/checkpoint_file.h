// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/source.h"
#include "inference/models/model.h"

#include <filesystem>
#include <string>

namespace comfy::models {

/// The forms in which a checkpoint's parts are computed. The defaults are ComfyUI's on a CPU.
struct LoadPrecision {
  checkpoint::Precision network = {.compute = DType::Float};
  checkpoint::Precision vae = {.compute = DType::Float};
  checkpoint::Precision text = {.storage = DType::Half, .compute = DType::Float};
};

/// The parts of a checkpoint file; a part that the file lacks is empty.
struct Checkpoint {
  Model model;
  Clip clip;
  Vae vae;
};

/// Finds the parts of a file by the prefixes of the known families. Throws Error(invalid_input)
/// that says what was found instead (a LoRA, an autoencoder alone ...) when there is no diffusion
/// network, and Error(unsupported) for a family this program does not know.
Checkpoint open_checkpoint(checkpoint::SourcePtr file, const LoadPrecision& precision = {});
Checkpoint open_checkpoint(const std::filesystem::path& file, const LoadPrecision& precision = {});

/// A diffusion network: bare, under a checkpoint's prefix, or in diffusers' names.
Model open_diffusion_model(checkpoint::SourcePtr file, const LoadPrecision& precision = {});
/// An autoencoder: bare, under a checkpoint's prefix, or in diffusers' names.
Vae open_vae(checkpoint::SourcePtr file, const LoadPrecision& precision = {});

/// What a file seems to be, in words for an error message: "a LoRA", "an autoencoder (VAE)" ...
std::string describe_file(const checkpoint::TensorSource& file);

}  // namespace comfy::models
