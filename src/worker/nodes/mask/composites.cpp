// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/batch_size.h"
#include "worker/nodes/image/channels.h"
#include "worker/nodes/mask/register.h"
#include "worker/nodes/ports.h"

#include <algorithm>

namespace comfy::nodes {
namespace {

using engine::node;

constexpr const char* kModule = "comfy_extras.nodes_mask";

/// Where a source is laid: its upper left corner, in pixels of the destination times `unit`.
struct Place {
  std::int64_t x = 0, y = 0;
  std::int64_t unit = 1;
};

Tensor stretched(const Tensor& samples, const Tensor& like) {
  return at::upsample_bilinear2d(samples, {like.size(-2), like.size(-1)}, false);
}

/// `source` over `destination`, both [B, C, H, W], as much as `mask` says (empty: wholly).
Tensor composite(const Tensor& destination, Tensor source, const Tensor& mask, const Place& place) {
  source = with_batch_size(source, destination.size(0));
  const std::int64_t left = std::min(place.x / place.unit, destination.size(-1));
  const std::int64_t top = std::min(place.y / place.unit, destination.size(-2));
  const std::int64_t width = std::min(source.size(-1), destination.size(-1) - left);
  const std::int64_t height = std::min(source.size(-2), destination.size(-2) - top);
  Tensor share = at::ones_like(source);
  if (mask.defined())
    share = with_batch_size(stretched(mask.reshape({-1, 1, mask.size(-2), mask.size(-1)}), source),
                            source.size(0));
  const auto visible = [&](const Tensor& all) {
    return all.narrow(-2, 0, height).narrow(-1, 0, width);
  };
  share = visible(share);
  Tensor result = destination.clone();
  const Tensor below = result.narrow(-2, top, height).narrow(-1, left, width);
  below.copy_(share * visible(source) + (at::ones_like(share) - share) * below);
  return result;
}

struct LatentCompositeMasked {
  struct In {
    Latent destination;
    Latent source;
    int x = 0;
    int y = 0;
    bool resize_source = false;
    std::optional<Mask> mask;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LatentCompositeMasked>("LatentCompositeMasked", "latent")
        .module(kModule)
        .in("destination", &In::destination)
        .in("source", &In::source)
        .in("x", &In::x, {.min = 0, .max = kMaxSide, .step = 8})
        .in("y", &In::y, {.min = 0, .max = kMaxSide, .step = 8})
        .in("resize_source", &In::resize_source)
        .in("mask", &In::mask)
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    Latent latent = in.destination;
    Tensor source = in.source.samples;
    if (in.resize_source) source = stretched(source, latent.samples);
    latent.samples = composite(latent.samples, source, in.mask ? in.mask->values : Tensor{},
                               {.x = in.x, .y = in.y, .unit = 8});
    return {std::move(latent)};
  }
};

struct ImageCompositeMasked {
  struct In {
    Image destination;
    Image source;
    int x = 0;
    int y = 0;
    bool resize_source = false;
    std::optional<Mask> mask;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageCompositeMasked>("ImageCompositeMasked", "image")
        .module(kModule)
        .in("destination", &In::destination)
        .in("source", &In::source)
        .in("x", &In::x, {.min = 0, .max = kMaxSide, .step = 1})
        .in("y", &In::y, {.min = 0, .max = kMaxSide, .step = 1})
        .in("resize_source", &In::resize_source)
        .in("mask", &In::mask)
        .out(&Out::image);
  }

  static Out run(const In& in) {
    const Tensor destination = in.destination.pixels.movedim(-1, 1);
    Tensor source = with_channels(in.source.pixels, in.destination.pixels.size(-1)).movedim(-1, 1);
    if (in.resize_source) source = stretched(source, destination);
    return {{composite(destination, source, in.mask ? in.mask->values : Tensor{},
                       {.x = in.x, .y = in.y})
                 .movedim(1, -1)}};
  }
};

}  // namespace

void register_masked_composites(engine::Registry& registry) {
  registry.add<LatentCompositeMasked>();
  registry.add<ImageCompositeMasked>();
}

}  // namespace comfy::nodes
