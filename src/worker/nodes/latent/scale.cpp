// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "inference/tensor/resample.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/latent/register.h"
#include "worker/nodes/ports.h"

#include <algorithm>
#include <cmath>

namespace comfy::nodes {
namespace {

using engine::node;

constexpr std::int64_t kLeastSide = 64;  // in pixels, as ComfyUI limits this node

const engine::Choices kMethods{"nearest-exact", "bilinear", "area", "bicubic", "bislerp"};

struct LatentUpscale {
  struct In {
    Latent samples;
    std::string upscale_method;
    int width = 512;
    int height = 512;
    std::string crop;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LatentUpscale>("LatentUpscale", "latent")
        .display("Upscale Latent")
        .in("samples", &In::samples)
        .in("upscale_method", &In::upscale_method, {.choices = kMethods})
        .in("width", &In::width, {.min = 0, .max = kMaxSide, .step = 8})
        .in("height", &In::height, {.min = 0, .max = kMaxSide, .step = 8})
        .in("crop", &In::crop, {.choices = {"disabled", "center"}})
        .out(&Out::latent);
  }

  /// A side of 0 follows from the other; both 0 leave the latent alone.
  static Out run(const In& in) {
    Latent latent = in.samples;
    if (in.width == 0 && in.height == 0) return {std::move(latent)};
    const auto follow = [&](std::int64_t side, std::int64_t dim, std::int64_t of) {
      const double exact = static_cast<double>(latent.samples.size(dim)) *
                           static_cast<double>(side) / static_cast<double>(latent.samples.size(of));
      return std::llrint(exact);
    };
    std::int64_t width = std::max<std::int64_t>(kLeastSide, in.width);
    std::int64_t height = std::max<std::int64_t>(kLeastSide, in.height);
    if (in.width == 0) width = std::max<std::int64_t>(kLeastSide, follow(height, -1, -2));
    if (in.height == 0) height = std::max<std::int64_t>(kLeastSide, follow(width, -2, -1));
    const auto crop = in.crop == "center" ? tensor::Crop::center : tensor::Crop::none;
    latent.samples =
        tensor::resample(latent.samples, width / 8, height / 8, in.upscale_method, crop);
    return {std::move(latent)};
  }
};

struct LatentUpscaleBy {
  struct In {
    Latent samples;
    std::string upscale_method;
    double scale_by = 1.5;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LatentUpscaleBy>("LatentUpscaleBy", "latent")
        .display("Upscale Latent By")
        .in("samples", &In::samples)
        .in("upscale_method", &In::upscale_method, {.choices = kMethods})
        .in("scale_by", &In::scale_by, {.min = 0.01, .max = 8.0, .step = 0.01})
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    Latent latent = in.samples;
    const auto scaled = [&](std::int64_t dim) {
      return std::llrint(static_cast<double>(latent.samples.size(dim)) * in.scale_by);
    };
    latent.samples = tensor::resample(latent.samples, scaled(-1), scaled(-2), in.upscale_method,
                                      tensor::Crop::none);
    return {std::move(latent)};
  }
};

}  // namespace

void register_latent_scaling(engine::Registry& registry) {
  registry.add<LatentUpscale>();
  registry.add<LatentUpscaleBy>();
}

}  // namespace comfy::nodes
