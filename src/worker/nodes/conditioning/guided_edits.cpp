// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/conditioning/register.h"
#include "worker/nodes/latent/encode_pictures.h"
#include "worker/nodes/ports.h"

namespace comfy::nodes {
namespace {

using engine::Context;
using engine::node;

Conditioning with_picture(Conditioning conditioning, const Tensor& latent, const Tensor& mask) {
  for (conditioning::Entry& entry : conditioning) {
    entry.concat_latent_image = latent;
    if (mask.defined()) entry.concat_mask = mask;
  }
  return conditioning;
}

struct InpaintModelConditioning {
  struct In {
    Conditioning positive;
    Conditioning negative;
    Vae vae;
    Image pixels;
    Mask mask;
    bool noise_mask = true;
  };
  struct Out {
    Conditioning positive;
    Conditioning negative;
    Latent latent;
  };

  static auto spec() {
    return node<InpaintModelConditioning>("InpaintModelConditioning", "conditioning/inpaint")
        .in("positive", &In::positive)
        .in("negative", &In::negative)
        .in("vae", &In::vae)
        .in("pixels", &In::pixels)
        .in("mask", &In::mask)
        .in("noise_mask", &In::noise_mask,
            {.tooltip = "Whether sampling leaves the unmasked part of the latent alone. Some "
                        "models do better without."})
        .out("positive", &Out::positive)
        .out("negative", &Out::negative)
        .out("latent", &Out::latent);
  }

  /// What an inpainting model sees: the picture with its masked part grey, and the mask.
  static Out run(const In& in, Context& context) {
    const Tensor& pixels = in.pixels.pixels;
    const Tensor& drawn = in.mask.values;
    Tensor mask = at::upsample_bilinear2d(drawn.reshape({-1, 1, drawn.size(-2), drawn.size(-1)}),
                                          {pixels.size(1), pixels.size(2)}, false);
    mask = cut_to_scale(mask.squeeze(1), kPixelsOfLatent).unsqueeze(1);
    const Tensor cut = cut_to_scale(pixels, kPixelsOfLatent);
    const Tensor kept = (1.0 - mask.round()).squeeze(1).unsqueeze(-1);  // [B, H, W, 1]
    const Tensor grey = (cut.narrow(-1, 0, 3) - 0.5) * kept + 0.5;
    const Tensor seen = encode_pictures(grey, in.vae, context);
    Latent latent{.samples = encode_pictures(pixels, in.vae, context)};
    if (in.noise_mask) latent.noise_mask = mask;
    return {with_picture(in.positive, seen, mask), with_picture(in.negative, seen, mask),
            std::move(latent)};
  }
};

struct InstructPixToPixConditioning {
  struct In {
    Conditioning positive;
    Conditioning negative;
    Vae vae;
    Image pixels;
  };
  struct Out {
    Conditioning positive;
    Conditioning negative;
    Latent latent;
  };

  static auto spec() {
    return node<InstructPixToPixConditioning>("InstructPixToPixConditioning",
                                              "conditioning/instructpix2pix")
        .module("comfy_extras.nodes_ip2p")
        .schema()
        .in("positive", &In::positive)
        .in("negative", &In::negative)
        .in("vae", &In::vae)
        .in("pixels", &In::pixels)
        .out("positive", &Out::positive)
        .out("negative", &Out::negative)
        .out("latent", &Out::latent);
  }

  static Out run(const In& in, Context& context) {
    const Tensor cut = cut_to_scale(in.pixels.pixels, kPixelsOfLatent);
    const Tensor seen = encode_pictures(cut, in.vae, context);
    return {with_picture(in.positive, seen, {}),
            with_picture(in.negative, seen, {}),
            {.samples = at::zeros_like(seen)}};
  }
};

}  // namespace

void register_guided_edits(engine::Registry& registry) {
  registry.add<InpaintModelConditioning>();
  registry.add<InstructPixToPixConditioning>();
}

}  // namespace comfy::nodes
