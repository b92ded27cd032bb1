// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/latent/register.h"
#include "worker/nodes/ports.h"

#include <fmt/format.h>

namespace comfy::nodes {
namespace {

using at::indexing::Slice;
using engine::node;

/// An all-zero latent to start a text-to-image run from.
struct EmptyLatentImage {
  struct In {
    int width = 512;
    int height = 512;
    int batch_size = 1;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<EmptyLatentImage>("EmptyLatentImage", "latent")
        .display("Empty Latent Image")
        .doc(
            "Starts a text-to-image run: latents of zeros, an eighth of the picture in each "
            "direction.")
        .in("width", &In::width,
            {.min = 16, .max = kMaxSide, .step = 8, .tooltip = "Width of the pictures in pixels."})
        .in("height", &In::height,
            {.min = 16, .max = kMaxSide, .step = 8, .tooltip = "Height of the pictures in pixels."})
        .in("batch_size", &In::batch_size,
            {.min = 1, .max = 4096, .tooltip = "How many pictures are made at once."})
        .out(&Out::latent, {.tooltip = "A batch of empty latents."});
  }

  static Out run(const In& in) {
    return {{at::zeros({in.batch_size, 4, in.height / 8, in.width / 8})}};
  }
};

struct SetLatentNoiseMask {
  struct In {
    Latent samples;
    Mask mask;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<SetLatentNoiseMask>("SetLatentNoiseMask", "latent/inpaint")
        .display("Set Latent Noise Mask")
        .in("samples", &In::samples)
        .in("mask", &In::mask)
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    Latent latent = in.samples;
    const Tensor& mask = in.mask.values;
    latent.noise_mask = mask.reshape({-1, 1, mask.size(-2), mask.size(-1)});
    return {std::move(latent)};
  }
};

/// How far the pasted latent lies inside, and how softly it ends, in latent pixels.
struct Placement {
  std::int64_t x, y, feather;
};

/// 1 in the middle of what is pasted, falling towards those edges that lie inside the picture.
Tensor feather_mask(const Tensor& pasted, const Tensor& whole, const Placement& at) {
  Tensor mask = at::ones_like(pasted);
  const std::int64_t height = pasted.size(2), width = pasted.size(3);
  for (std::int64_t t = 0; t < at.feather; ++t) {
    const double rate = static_cast<double>(t + 1) / static_cast<double>(at.feather);
    if (at.y != 0 && t < height) mask.narrow(2, t, 1).mul_(rate);
    if (at.y + height < whole.size(2) && t < height) mask.narrow(2, height - 1 - t, 1).mul_(rate);
    if (at.x != 0 && t < width) mask.narrow(3, t, 1).mul_(rate);
    if (at.x + width < whole.size(3) && t < width) mask.narrow(3, width - 1 - t, 1).mul_(rate);
  }
  return mask;
}

struct LatentComposite {
  struct In {
    Latent samples_to;
    Latent samples_from;
    int x = 0;
    int y = 0;
    int feather = 0;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LatentComposite>("LatentComposite", "latent")
        .display("Latent Composite")
        .in("samples_to", &In::samples_to)
        .in("samples_from", &In::samples_from)
        .in("x", &In::x, {.min = 0, .max = kMaxSide, .step = 8})
        .in("y", &In::y, {.min = 0, .max = kMaxSide, .step = 8})
        .in("feather", &In::feather, {.min = 0, .max = kMaxSide, .step = 8})
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    Latent latent = in.samples_to;
    const Placement at{in.x / 8, in.y / 8, in.feather / 8};
    Tensor whole = latent.samples.clone();
    const std::int64_t room_y = whole.size(2) - at.y, room_x = whole.size(3) - at.x;
    if (room_y <= 0 || room_x <= 0)
      throw Error(Error::Kind::invalid_input,
                  fmt::format("x and y must lie inside the latent of {}x{} pixels, got {}, {}",
                              whole.size(3) * 8, whole.size(2) * 8, in.x, in.y));
    const Tensor pasted =
        in.samples_from.samples.index({Slice(), Slice(), Slice(0, room_y), Slice(0, room_x)});
    Tensor place = whole.narrow(2, at.y, pasted.size(2)).narrow(3, at.x, pasted.size(3));
    if (at.feather == 0) {
      place.copy_(pasted);
    } else {
      const Tensor mask = feather_mask(pasted, whole, at);
      place.copy_(pasted * mask + place * (1.0 - mask));
    }
    latent.samples = whole;
    return {std::move(latent)};
  }
};

}  // namespace

void register_basic_latents(engine::Registry& registry) {
  registry.add<EmptyLatentImage>();
  registry.add<SetLatentNoiseMask>();
  registry.add<LatentComposite>();
}

}  // namespace comfy::nodes
