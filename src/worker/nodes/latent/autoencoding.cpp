// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/vae/tiled.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/latent/encode_pictures.h"
#include "worker/nodes/latent/register.h"
#include "worker/nodes/ports.h"
#include "worker/nodes/resident.h"

namespace comfy::nodes {
namespace {

using at::indexing::Slice;
using engine::Context;
using engine::node;

struct VAEDecode {
  struct In {
    Latent samples;
    Vae vae;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<VAEDecode>("VAEDecode", "latent")
        .display("VAE Decode")
        .doc("Turns latents back into pictures.")
        .in("samples", &In::samples, {.tooltip = "The latents to turn into pictures."})
        .in("vae", &In::vae, {.tooltip = "The autoencoder that decodes them."})
        .out(&Out::image, {.tooltip = "The pictures."});
  }

  static Out run(const In& in, Context& context) {
    const Tensor pixels =
        resident(in.vae, context.services())->decode(in.samples.samples.to(at::kFloat));
    return {{((pixels + 1.0) / 2.0).clamp(0.0, 1.0).movedim(1, -1)}};
  }
};

struct VAEEncode {
  struct In {
    Image pixels;
    Vae vae;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<VAEEncode>("VAEEncode", "latent")
        .display("VAE Encode")
        .in("pixels", &In::pixels)
        .in("vae", &In::vae)
        .out(&Out::latent);
  }

  static Out run(const In& in, Context& context) {
    return {{encode_pictures(in.pixels.pixels, in.vae, context)}};
  }
};

struct VAEDecodeTiled {
  struct In {
    Latent samples;
    Vae vae;
    int tile_size = 512;
    int overlap = 64;
    int temporal_size = 64;
    int temporal_overlap = 8;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<VAEDecodeTiled>("VAEDecodeTiled", "_for_testing")
        .display("VAE Decode (Tiled)")
        .in("samples", &In::samples)
        .in("vae", &In::vae)
        .in("tile_size", &In::tile_size, {.min = 64, .max = 4096, .step = 32})
        .in("overlap", &In::overlap, {.min = 0, .max = 4096, .step = 32})
        .in("temporal_size", &In::temporal_size,
            {.min = 8,
             .max = 4096,
             .step = 4,
             .tooltip = "For autoencoders of videos: how many frames are decoded at a time."})
        .in("temporal_overlap", &In::temporal_overlap,
            {.min = 4,
             .max = 4096,
             .step = 4,
             .tooltip = "For autoencoders of videos: how many frames overlap."})
        .out(&Out::image);
  }

  static Out run(const In& in, Context& context) {
    const std::int64_t overlap = in.tile_size < in.overlap * 4 ? in.tile_size / 4 : in.overlap;
    const Tensor pixels = models::vae::decode_tiled(
        *resident(in.vae, context.services()), in.samples.samples.to(at::kFloat),
        {.width = in.tile_size, .height = in.tile_size, .overlap = overlap},
        [&context](std::int64_t done, std::int64_t all) { context.progress(done, all); });
    return {{((pixels + 1.0) / 2.0).clamp(0.0, 1.0).movedim(1, -1)}};
  }
};

struct VAEEncodeTiled {
  struct In {
    Image pixels;
    Vae vae;
    int tile_size = 512;
    int overlap = 64;
    int temporal_size = 64;
    int temporal_overlap = 8;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<VAEEncodeTiled>("VAEEncodeTiled", "_for_testing")
        .display("VAE Encode (Tiled)")
        .in("pixels", &In::pixels)
        .in("vae", &In::vae)
        .in("tile_size", &In::tile_size, {.min = 64, .max = 4096, .step = 64})
        .in("overlap", &In::overlap, {.min = 0, .max = 4096, .step = 32})
        .in("temporal_size", &In::temporal_size,
            {.min = 8,
             .max = 4096,
             .step = 4,
             .tooltip = "For autoencoders of videos: how many frames are encoded at a time."})
        .in("temporal_overlap", &In::temporal_overlap,
            {.min = 4,
             .max = 4096,
             .step = 4,
             .tooltip = "For autoencoders of videos: how many frames overlap."})
        .out(&Out::latent);
  }

  static Out run(const In& in, Context& context) {
    const auto autoencoder = resident(in.vae, context.services());
    const Tensor cut = cut_to_scale(in.pixels.pixels.narrow(-1, 0, 3), autoencoder->downscale());
    return {{models::vae::encode_tiled(
        *autoencoder, cut.movedim(-1, 1) * 2.0 - 1.0,
        {.width = in.tile_size, .height = in.tile_size, .overlap = in.overlap},
        [&context](std::int64_t done, std::int64_t all) { context.progress(done, all); })}};
  }
};

struct VAEEncodeForInpaint {
  struct In {
    Image pixels;
    Vae vae;
    Mask mask;
    int grow_mask_by = 6;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<VAEEncodeForInpaint>("VAEEncodeForInpaint", "latent/inpaint")
        .display("VAE Encode (for Inpainting)")
        .in("pixels", &In::pixels)
        .in("vae", &In::vae)
        .in("mask", &In::mask)
        .in("grow_mask_by", &In::grow_mask_by, {.min = 0, .max = 64, .step = 1})
        .out(&Out::latent);
  }

  /// Masked pixels become grey before encoding; the mask that goes along is a little larger.
  static Out run(const In& in, Context& context) {
    const std::int64_t scale = in.vae.downscale();
    Tensor pixels = in.pixels.pixels;
    const Tensor& drawn = in.mask.values;
    Tensor mask = at::upsample_bilinear2d(drawn.reshape({-1, 1, drawn.size(-2), drawn.size(-1)}),
                                          {pixels.size(1), pixels.size(2)}, false);
    const std::int64_t height = pixels.size(1) / scale * scale,
                       width = pixels.size(2) / scale * scale;
    pixels = cut_to_scale(pixels, scale);
    mask = cut_to_scale(mask.squeeze(1), scale).unsqueeze(1);
    const Tensor kept = (1.0 - mask.round()).squeeze(1).unsqueeze(-1);  // [B, H, W, 1]
    const Tensor grey = (pixels.narrow(-1, 0, 3) - 0.5) * kept + 0.5;
    const Tensor noise_mask =
        grown(mask, in.grow_mask_by).index({Slice(), Slice(), Slice(0, height), Slice(0, width)});
    return {{.samples = encode_pictures(grey, in.vae, context), .noise_mask = noise_mask.round()}};
  }

  static Tensor grown(const Tensor& mask, std::int64_t by) {
    if (by == 0) return mask;
    const std::int64_t padding = by / 2;  // ceil((by - 1) / 2)
    return at::conv2d(mask.round(), at::ones({1, 1, by, by}), {}, {1, 1}, {padding, padding})
        .clamp(0.0, 1.0);
  }
};

}  // namespace

Tensor cut_to_scale(const Tensor& pixels, std::int64_t scale) {
  const auto middle = [&](const Tensor& tensor, std::int64_t dim) {
    const std::int64_t kept = tensor.size(dim) / scale * scale;
    return tensor.narrow(dim, (tensor.size(dim) % scale) / 2, kept);
  };
  return middle(middle(pixels, 1), 2);
}

Tensor encode_pictures(const Tensor& pixels, const Vae& vae, Context& context) {
  const auto autoencoder = resident(vae, context.services());
  const Tensor cut = cut_to_scale(pixels.narrow(-1, 0, 3), autoencoder->downscale());
  return autoencoder->encode(cut.movedim(-1, 1) * 2.0 - 1.0);
}

void register_autoencoding(engine::Registry& registry) {
  registry.add<VAEDecode>();
  registry.add<VAEEncode>();
  registry.add<VAEEncodeForInpaint>();
  registry.add<VAEDecodeTiled>();
  registry.add<VAEEncodeTiled>();
}

}  // namespace comfy::nodes
