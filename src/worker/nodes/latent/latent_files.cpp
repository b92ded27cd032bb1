// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/base/hash.h"
#include "foundation/paths/folders.h"
#include "inference/checkpoint/safetensors_bytes.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/image/saving.h"
#include "worker/nodes/latent/register.h"
#include "worker/nodes/ports.h"
#include "worker/nodes/services.h"

#include <fmt/format.h>

namespace comfy::nodes {
namespace {

using engine::Context;
using engine::Hidden;
using engine::InputFile;
using engine::node;

constexpr std::size_t kLargestLatent = std::size_t{4} << 30;
/// A mark in files whose numbers are not scaled for Stable Diffusion 1.
constexpr const char* kUnscaled = "latent_format_version_0";
constexpr double kOldScale = 0.18215;

struct SaveLatent {
  struct In {
    Latent samples;
    std::string filename_prefix = "latents/ComfyUI";
  };
  struct Out {
    engine::Ui ui;
  };

  static auto spec() {
    return node<SaveLatent>("SaveLatent", "_for_testing")
        .in("samples", &In::samples)
        .in("filename_prefix", &In::filename_prefix)
        .hidden({Hidden::prompt, Hidden::extra_pnginfo})
        .as_output_node();
  }

  static Out run(const In& in, Context& context) {
    checkpoint::Metadata metadata;
    for (const media::TextEntry& entry : workflow_texts(context))
      metadata.insert_or_assign(entry.key, entry.text);
    engine::PublishRequest request{
        .prefix = in.filename_prefix,
        .extension = ".latent",
        .bytes = checkpoint::safetensors_bytes(
            {{"latent_tensor", in.samples.samples}, {kUnscaled, at::empty({0})}}, metadata)};
    Out out;
    out.ui.add("latents", context.publish(std::move(request)).to_json());
    return out;
  }
};

struct LoadLatent {
  struct In {
    InputFile<"latent"> latent;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LoadLatent>("LoadLatent", "_for_testing")
        .in("latent", &In::latent, {})
        .out(&Out::latent);
  }

  static Out run(const In& in, Context& context) {
    const std::string file =
        paths::read_all(context.services().folders.open_annotated(
                            in.latent.name, paths::Area::input, context.user()),
                        kLargestLatent);
    Tensor samples;
    double scale = 1.0 / kOldScale;
    for (const auto& [name, tensor] : checkpoint::tensors_of_safetensors(file).tensors) {
      if (name == "latent_tensor") samples = tensor;
      if (name == kUnscaled) scale = 1.0;
    }
    if (!samples.defined())
      throw Error(
          Error::Kind::invalid_input,
          fmt::format("expected a saved latent in \"{}\", found no latent_tensor", in.latent.name));
    return {{.samples = samples.to(at::kFloat) * scale}};
  }

  static std::string fingerprint(const In& in, Context& context) {
    return to_hex(sha256(paths::read_all(context.services().folders.open_annotated(
                                             in.latent.name, paths::Area::input, context.user()),
                                         kLargestLatent)));
  }
};

}  // namespace

void register_latent_files(engine::Registry& registry) {
  registry.add<SaveLatent>();
  registry.add<LoadLatent>();
}

}  // namespace comfy::nodes
