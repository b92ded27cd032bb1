// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "foundation/paths/folders.h"
#include "inference/checkpoint/lora.h"
#include "inference/checkpoint/source.h"
#include "inference/models/checkpoint_file.h"
#include "inference/models/text/clip.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/loaders/open.h"
#include "worker/nodes/loaders/register.h"
#include "worker/nodes/log.h"
#include "worker/nodes/ports.h"
#include "worker/nodes/services.h"

#include <fmt/format.h>

namespace comfy::nodes {
namespace {

using engine::Context;
using engine::ModelFile;
using engine::node;

struct CheckpointLoaderSimple {
  struct In {
    ModelFile<"checkpoints"> ckpt_name;
  };
  struct Out {
    Model model;
    Clip clip;
    Vae vae;
  };

  static auto spec() {
    return node<CheckpointLoaderSimple>("CheckpointLoaderSimple", "loaders")
        .display("Load Checkpoint")
        .doc(
            "Opens a checkpoint: the diffusion network, its text encoder and its autoencoder in "
            "one file.")
        .in("ckpt_name", &In::ckpt_name, {.tooltip = "A file of the folder models/checkpoints."})
        .out(&Out::model, {.tooltip = "The network that turns noise into latents."})
        .out(&Out::clip, {.tooltip = "The text encoder that reads prompts."})
        .out(&Out::vae, {.tooltip = "The autoencoder between pictures and latents."});
  }

  static Out run(const In& in, Context& context) {
    Services& services = context.services();
    models::Checkpoint parts = models::open_checkpoint(
        open_model_file("checkpoints", in.ckpt_name, services), precision_of(services.precision));
    return {std::move(parts.model), std::move(parts.clip), std::move(parts.vae)};
  }
};

struct VAELoader {
  struct In {
    ModelFile<"vae"> vae_name;
  };
  struct Out {
    Vae vae;
  };

  static auto spec() {
    return node<VAELoader>("VAELoader", "loaders")
        .display("Load VAE")
        .in("vae_name", &In::vae_name, {.last = {"pixel_space"}})
        .out(&Out::vae);
  }

  static Out run(const In& in, Context& context) {
    if (in.vae_name.name == "pixel_space")
      return {models::open_vae(checkpoint::dictionary_source({{"pixel_space_vae", at::ones({})}}))};
    Services& services = context.services();
    return {models::open_vae(open_model_file("vae", in.vae_name, services),
                             precision_of(services.precision))};
  }
};

/// A model and a text encoder with a LoRA on both; either may be empty.
struct Patched {
  Model model;
  Clip clip;
};

struct Strengths {
  double model = 0, clip = 0;
};

Patched with_lora(Patched parts, const checkpoint::SourcePtr& file, const Strengths& strengths) {
  checkpoint::LoraKeys keys;
  if (!parts.model.empty()) keys.add(checkpoint::unet_lora_keys(parts.model.weights()));
  if (!parts.clip.empty())
    keys.add(models::text::clip_lora_keys(models::clip_model(parts.clip.family()),
                                          parts.clip.weights()));
  const checkpoint::Lora lora = checkpoint::load_lora(file, keys);
  for (const std::string& name : lora.unused) log.warn("lora key not loaded: {}", name);
  if (!parts.model.empty() && strengths.model != 0)
    parts.model = parts.model.with_patches(
        checkpoint::with_lora(parts.model.weights(), lora, strengths.model).patches());
  if (!parts.clip.empty() && strengths.clip != 0)
    parts.clip = parts.clip.with_patches(
        checkpoint::with_lora(parts.clip.weights(), lora, strengths.clip).patches());
  return parts;
}

struct LoraLoader {
  struct In {
    Model model;
    Clip clip;
    ModelFile<"loras"> lora_name;
    double strength_model = 1.0;
    double strength_clip = 1.0;
  };
  struct Out {
    Model model;
    Clip clip;
  };

  static auto spec() {
    return node<LoraLoader>("LoraLoader", "loaders")
        .display("Load LoRA")
        .doc(
            "Changes a diffusion network and its text encoder by a LoRA, a small file that teaches "
            "a style or a thing. "
            "Several may follow one another.")
        .in("model", &In::model, {.tooltip = "The network to change."})
        .in("clip", &In::clip, {.tooltip = "The text encoder to change."})
        .in("lora_name", &In::lora_name, {.tooltip = "A file of the folder models/loras."})
        .in("strength_model", &In::strength_model,
            {.min = -100.0,
             .max = 100.0,
             .step = 0.01,
             .tooltip = "How much of it the network takes; may be negative."})
        .in("strength_clip", &In::strength_clip,
            {.min = -100.0,
             .max = 100.0,
             .step = 0.01,
             .tooltip = "How much of it the text encoder takes; may be negative."})
        .out(&Out::model, {.tooltip = "The changed network."})
        .out(&Out::clip, {.tooltip = "The changed text encoder."});
  }

  static Out run(const In& in, Context& context) {
    if (in.strength_model == 0 && in.strength_clip == 0) return {in.model, in.clip};
    Patched patched =
        with_lora({in.model, in.clip}, open_model_file("loras", in.lora_name, context.services()),
                  {in.strength_model, in.strength_clip});
    return {std::move(patched.model), std::move(patched.clip)};
  }
};

struct LoraLoaderModelOnly {
  struct In {
    Model model;
    ModelFile<"loras"> lora_name;
    double strength_model = 1.0;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<LoraLoaderModelOnly>("LoraLoaderModelOnly", "loaders")
        .doc(
            "Changes a diffusion network by a LoRA, a small file that teaches a style or a thing. "
            "Several may follow one another.")
        .in("model", &In::model)
        .in("lora_name", &In::lora_name)
        .in("strength_model", &In::strength_model, {.min = -100.0, .max = 100.0, .step = 0.01})
        .out(&Out::model, {.tooltip = "The changed network."});
  }

  static Out run(const In& in, Context& context) {
    if (in.strength_model == 0) return {in.model};
    return {with_lora({in.model, {}}, open_model_file("loras", in.lora_name, context.services()),
                      {in.strength_model, 0})
                .model};
  }
};

}  // namespace

checkpoint::SourcePtr open_model_file(std::string_view kind, const std::string& name,
                                      Services& services) {
  const std::string path = services.folders.open_model(kind, name).path.string();
  try {
    return checkpoint::open_source(path, services.pickles);
  } catch (Error& error) {
    error.message = replace_all(std::move(error.message), path, fmt::format("{}/{}", kind, name));
    error.details = replace_all(std::move(error.details), path, fmt::format("{}/{}", kind, name));
    throw;
  }
}

models::LoadPrecision precision_of(const PrecisionPolicy& policy) {
  return {.network = {.storage = {}, .compute = policy.network},
          .vae = {.storage = {}, .compute = policy.autoencoder},
          .text = {.storage = policy.text_storage, .compute = DType::Float}};
}

void register_loaders(engine::Registry& registry) {
  registry.add<CheckpointLoaderSimple>();
  registry.add<VAELoader>();
  registry.add<LoraLoader>();
  registry.add<LoraLoaderModelOnly>();
}

}  // namespace comfy::nodes
