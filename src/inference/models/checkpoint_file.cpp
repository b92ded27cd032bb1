// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/checkpoint_file.h"

#include "foundation/base/error.h"
#include "inference/models/text/clip.h"
#include "inference/models/unet/diffusers_names.h"
#include "inference/models/vae/autoencoders.h"

#include <fmt/format.h>

#include <array>

namespace comfy::models {
namespace {

using checkpoint::SourcePtr;
using checkpoint::TensorSource;

/// Part of a tensor's name that gives a kind of file away.
struct Mark {
  std::string_view part;
  std::string_view words;
};

constexpr Mark kForeignNetworks[] = {
    {"double_blocks.0.img_attn", "a Flux-like diffusion transformer"},
    {"joint_blocks.0.context_block", "a Stable Diffusion 3 network"},
    {"joint_transformer_blocks.0.", "an AuraFlow network"},
    {"double_layers.0.attn", "an AuraFlow network"},
    {"head.modulation", "a Wan video network"},
    {"clf.1.weight", "a Stable Cascade network"},
    {"cap_embedder.1.weight", "a Lumina network"},
    {"txt_norm.weight", "a Qwen-Image network"},
    {"adaln_single.", "a PixArt or LTX-Video network"},
    {"transformer_blocks.0.attn.add_q_proj", "a diffusion transformer in diffusers' names"},
    {"t5_yproj.weight", "a Mochi video network"},
    {"caption_projection.0.linear", "a HiDream network"}};

constexpr Mark kOtherFiles[] = {{".lora_up.", "a LoRA"},
                                {".lora_down.", "a LoRA"},
                                {".lora_A.", "a LoRA"},
                                {".lora.up.", "a LoRA"},
                                {".hada_w1_a", "a LoRA"},
                                {".lokr_w1", "a LoRA"},
                                {".oft_blocks", "a LoRA"},
                                {"zero_convs.0.0.weight", "a ControlNet"},
                                {"controlnet_cond_embedding.", "a ControlNet"},
                                {"lora_controlnet", "a ControlNet"},
                                {"adapter.body.0.", "a T2I adapter"},
                                {"body.0.in_conv.weight", "a T2I adapter"},
                                {"taesd_decoder.", "a tiny autoencoder (TAESD)"},
                                {"decoder.up.0.block.0.", "an autoencoder (VAE)"},
                                {"decoder.up_blocks.0.resnets", "an autoencoder (VAE)"},
                                {"vision_model.encoder.", "a CLIP vision encoder"},
                                {"visual.transformer.resblocks", "a CLIP vision encoder"},
                                {"text_model.encoder.layers.", "a text encoder"},
                                {"transformer.resblocks.", "a text encoder"},
                                {"encoder.block.0.layer.0.SelfAttention", "a T5 text encoder"},
                                {"rdb1.conv1.weight", "an upscaler"},
                                {"RDB1.conv1.", "an upscaler"},
                                {"emb_params", "a textual-inversion embedding"},
                                {"string_to_param", "a textual-inversion embedding"},
                                {"clip_g", "a textual-inversion embedding"}};

const Mark* find_mark(const TensorSource& file, std::span<const Mark> marks) {
  for (const Mark& mark : marks) {
    for (const auto& tensor : file.tensors()) {
      if (tensor.name.find(mark.part) != std::string::npos) return &mark;
    }
  }
  return nullptr;
}

/// Under which scope a checkpoint keeps its diffusion network.
std::string network_prefix(const TensorSource& file) {
  constexpr std::array<std::string_view, 3> kPrefixes{"model.diffusion_model", "model.model",
                                                      "net"};
  constexpr std::size_t kEnough = 6;
  std::string_view best = "model";
  std::size_t most = kEnough - 1;
  for (const std::string_view prefix : kPrefixes) {
    const std::size_t count = file.with_prefix(fmt::format("{}.", prefix)).size();
    if (count > most) {
      best = prefix;
      most = count;
    }
  }
  return std::string(best);
}

/// The scope of the diffusion network, or nothing: under a checkpoint's prefix or at the top.
std::optional<Weights> find_network(const Weights& file, const Architecture*& architecture) {
  const Weights inside = file / network_prefix(*file.source());
  for (const Weights& candidate : {inside, file}) {
    architecture = detect_architecture(candidate);
    if (architecture != nullptr) return candidate;
  }
  return {};
}

[[noreturn]] void refuse(const TensorSource& file, std::string_view wanted) {
  if (const Mark* family = find_mark(file, kForeignNetworks)) {
    throw Error(
        Error::Kind::unsupported,
        fmt::format("unsupported: {} of this family; the file holds {}", wanted, family->words));
  }
  throw Error(Error::Kind::invalid_input,
              fmt::format("{} expected, the file holds {}", wanted, describe_file(file)));
}

void refuse_unknown_variants(const Weights& file) {
  if (file.has("cc_projection.weight")) {
    throw Error(Error::Kind::unsupported, "unsupported: Stable Zero123 checkpoints");
  }
}

}  // namespace

std::string describe_file(const TensorSource& file) {
  if (const Mark* mark = find_mark(file, kOtherFiles)) return std::string(mark->words);
  if (const Mark* mark = find_mark(file, kForeignNetworks)) return std::string(mark->words);
  if (unet::has_diffusers_names(file)) return "a UNet in diffusers' names";
  if (file.tensors().empty()) return "no tensors";
  return fmt::format("{} tensors of an unknown kind, the first named \"{}\"", file.tensors().size(),
                     file.tensors().front().name);
}

Checkpoint open_checkpoint(SourcePtr source, const LoadPrecision& precision) {
  const Weights file(source);
  refuse_unknown_variants(file);
  const Architecture* architecture = nullptr;
  const auto network = find_network(file, architecture);
  if (!network) refuse(*source, "a checkpoint with a diffusion network");
  Checkpoint parts;
  parts.model = Model(*architecture, network->with(precision.network), file);
  const Weights vae = file / architecture->vae_prefix;
  if (vae::detect(vae)) parts.vae = Vae(vae.with(precision.vae));
  if (architecture->text != TextFamily::none) {
    const SourcePtr text = text::clip_source(clip_model(architecture->text), source);
    if (text != nullptr && !text->tensors().empty()) {
      parts.clip = Clip(architecture->text, Weights(text).with(precision.text));
    }
  }
  return parts;
}

Checkpoint open_checkpoint(const std::filesystem::path& file, const LoadPrecision& precision) {
  return open_checkpoint(checkpoint::open_source(file), precision);
}

Model open_diffusion_model(SourcePtr source, const LoadPrecision& precision) {
  if (unet::has_diffusers_names(*source)) source = unet::native_names(std::move(source));
  const Weights file(source);
  const Architecture* architecture = nullptr;
  const auto network = find_network(file, architecture);
  if (!network) refuse(*source, "a diffusion network");
  return {*architecture, network->with(precision.network), file};
}

Vae open_vae(SourcePtr source, const LoadPrecision& precision) {
  source = vae::native_names(std::move(source));
  const Weights file = Weights(source).with(precision.vae);
  for (const char* scope : {"", "first_stage_model", "vae"}) {
    const Weights candidate = *scope == '\0' ? file : file / scope;
    if (vae::detect(candidate)) return Vae(candidate);
  }
  refuse(*source, "an autoencoder (VAE)");
}

}  // namespace comfy::models
