// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "inference/models/text/clip.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/loaders/open.h"
#include "worker/nodes/loaders/register.h"
#include "worker/nodes/ports.h"

#include <fmt/format.h>

namespace comfy::nodes {
namespace {

using checkpoint::SourcePtr;
using engine::Context;
using engine::ModelFile;
using engine::node;
using models::TextFamily;

struct UNETLoader {
  struct In {
    ModelFile<"diffusion_models"> unet_name;
    std::string weight_dtype;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<UNETLoader>("UNETLoader", "advanced/loaders")
        .display("Load Diffusion Model")
        .in("unet_name", &In::unet_name, {})
        .in("weight_dtype", &In::weight_dtype,
            {.choices = {"default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"}})
        .out(&Out::model);
  }

  static Out run(const In& in, Context& context) {
    Services& services = context.services();
    models::LoadPrecision precision = precision_of(services.precision);
    if (in.weight_dtype.starts_with("fp8_e4m3fn")) precision.network.storage = at::kFloat8_e4m3fn;
    if (in.weight_dtype == "fp8_e5m2") precision.network.storage = at::kFloat8_e5m2;
    return {models::open_diffusion_model(
        open_model_file("diffusion_models", in.unet_name, services), precision)};
  }
};

/// Which text encoder lies at the top of a file, in either naming.
enum class Encoder { clip_l, clip_h, clip_g, unknown };

Encoder encoder_in(const checkpoint::TensorSource& file) {
  const auto has_layer = [&](int number) {
    return file.find(fmt::format("text_model.encoder.layers.{}.mlp.fc1.weight", number)) ||
           file.find(fmt::format("transformer.resblocks.{}.ln_1.weight", number));
  };
  // The deepest layer that only this one has.
  if (has_layer(30)) return Encoder::clip_g;
  if (has_layer(22)) return Encoder::clip_h;
  return has_layer(0) ? Encoder::clip_l : Encoder::unknown;
}

/// The file as it would lie in a checkpoint. theirs: where that keeps an encoder in OpenCLIP's
/// naming; ours: where it keeps one in transformers' naming.
SourcePtr placed(const SourcePtr& file, std::string_view theirs, std::string_view ours) {
  const bool openclip = file->find("transformer.resblocks.0.ln_1.weight").has_value();
  return checkpoint::renamed_source(file, "", openclip ? theirs : ours);
}

Clip clip_of(TextFamily family, const SourcePtr& file, const Services& services) {
  const SourcePtr text = models::text::clip_source(models::clip_model(family), file);
  if (text == nullptr)
    throw Error(Error::Kind::invalid_input, "expected a text encoder in one of the usual namings");
  const models::LoadPrecision precision = precision_of(services.precision);
  return {family, checkpoint::Weights(text).with(precision.text)};
}

[[noreturn]] void refuse(const std::string& name, const std::string& type) {
  throw Error(Error::Kind::unsupported,
              fmt::format("unsupported: \"{}\" as a text encoder of the type {}; CLIP-L, CLIP-G "
                          "and CLIP-H are read, for Stable Diffusion 1, 2 and XL",
                          name, type));
}

bool is_of_other_family(const std::string& type) {
  return type == "stable_cascade" || type == "sd3" || type == "hidream";
}

struct CLIPLoader {
  struct In {
    ModelFile<"text_encoders"> clip_name;
    std::string type;
    std::string device;
  };
  struct Out {
    Clip clip;
  };

  static auto spec() {
    return node<CLIPLoader>("CLIPLoader", "advanced/loaders")
        .display("Load CLIP")
        .doc(
            "Opens a text encoder by itself: CLIP-L for Stable Diffusion 1, CLIP-H for 2, CLIP-G "
            "for the refiner of XL.")
        .in("clip_name", &In::clip_name, {})
        .in("type", &In::type,
            {.choices = {"stable_diffusion", "stable_cascade", "sd3", "stable_audio", "mochi",
                         "ltxv", "pixart", "cosmos", "lumina2", "wan", "hidream", "chroma", "ace",
                         "omnigen2", "qwen_image", "hunyuan_image"}})
        .optional_in("device", &In::device,
                     {.choices = {"default", "cpu"}, .extra = {{"advanced", true}}})
        .out(&Out::clip);
  }

  static Out run(const In& in, Context& context) {
    Services& services = context.services();
    const SourcePtr file = open_model_file("text_encoders", in.clip_name, services);
    if (is_of_other_family(in.type)) refuse(in.clip_name, in.type);
    switch (encoder_in(*file)) {
      case Encoder::clip_l:
        return {clip_of(TextFamily::sd1, placed(file, "", "clip_l.transformer."), services)};
      case Encoder::clip_h:
        return {clip_of(TextFamily::sd2,
                        placed(file, "cond_stage_model.model.", "clip_h.transformer."), services)};
      case Encoder::clip_g:
        return {clip_of(TextFamily::sdxl_refiner,
                        placed(file, "conditioner.embedders.0.model.", "clip_g.transformer."),
                        services)};
      case Encoder::unknown:
        break;
    }
    refuse(in.clip_name, in.type);
  }
};

struct DualCLIPLoader {
  struct In {
    ModelFile<"text_encoders"> clip_name1;
    ModelFile<"text_encoders"> clip_name2;
    std::string type;
    std::string device;
  };
  struct Out {
    Clip clip;
  };

  static auto spec() {
    return node<DualCLIPLoader>("DualCLIPLoader", "advanced/loaders")
        .doc(
            "Opens two text encoders that work together: CLIP-L and CLIP-G for Stable Diffusion "
            "XL.")
        .in("clip_name1", &In::clip_name1, {})
        .in("clip_name2", &In::clip_name2, {})
        .in("type", &In::type,
            {.choices = {"sdxl", "sd3", "flux", "hunyuan_video", "hidream", "hunyuan_image"}})
        .optional_in("device", &In::device,
                     {.choices = {"default", "cpu"}, .extra = {{"advanced", true}}})
        .out(&Out::clip);
  }

  static Out run(const In& in, Context& context) {
    Services& services = context.services();
    SourcePtr first = open_model_file("text_encoders", in.clip_name1, services);
    SourcePtr second = open_model_file("text_encoders", in.clip_name2, services);
    if (in.type != "sdxl") refuse(in.clip_name1, in.type);
    if (encoder_in(*first) == Encoder::clip_g) std::swap(first, second);
    if (encoder_in(*first) != Encoder::clip_l) refuse(in.clip_name1, in.type);
    if (encoder_in(*second) != Encoder::clip_g) refuse(in.clip_name2, in.type);
    const SourcePtr both = checkpoint::joined_source(
        {placed(first, "", "clip_l.transformer."),
         placed(second, "conditioner.embedders.1.model.", "clip_g.transformer.")});
    return {clip_of(TextFamily::sdxl, both, services)};
  }
};

}  // namespace

void register_part_loaders(engine::Registry& registry) {
  registry.add<UNETLoader>();
  registry.add<CLIPLoader>();
  registry.add<DualCLIPLoader>();
}

}  // namespace comfy::nodes
