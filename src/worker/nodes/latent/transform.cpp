// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "inference/tensor/resample.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/latent/register.h"
#include "worker/nodes/ports.h"

#include <algorithm>

namespace comfy::nodes {
namespace {

using engine::node;

struct LatentRotate {
  struct In {
    Latent samples;
    std::string rotation = "none";
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LatentRotate>("LatentRotate", "latent/transform")
        .display("Rotate Latent")
        .in("samples", &In::samples)
        .in("rotation", &In::rotation,
            {.choices = {"none", "90 degrees", "180 degrees", "270 degrees"},
             .show_default = false})
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    const int turns = in.rotation.starts_with("90")    ? 1
                      : in.rotation.starts_with("180") ? 2
                      : in.rotation.starts_with("270") ? 3
                                                       : 0;
    Latent latent = in.samples;
    latent.samples = at::rot90(latent.samples, turns, {3, 2});
    return {std::move(latent)};
  }
};

struct LatentFlip {
  struct In {
    Latent samples;
    std::string flip_method = "x-axis: vertically";
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LatentFlip>("LatentFlip", "latent/transform")
        .display("Flip Latent")
        .in("samples", &In::samples)
        .in("flip_method", &In::flip_method,
            {.choices = {"x-axis: vertically", "y-axis: horizontally"}, .show_default = false})
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    Latent latent = in.samples;
    latent.samples = at::flip(latent.samples, {in.flip_method.starts_with('x') ? 2 : 3});
    return {std::move(latent)};
  }
};

struct LatentCrop {
  struct In {
    Latent samples;
    int width = 512;
    int height = 512;
    int x = 0;
    int y = 0;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LatentCrop>("LatentCrop", "latent/transform")
        .display("Crop Latent")
        .in("samples", &In::samples)
        .in("width", &In::width, {.min = 64, .max = kMaxSide, .step = 8})
        .in("height", &In::height, {.min = 64, .max = kMaxSide, .step = 8})
        .in("x", &In::x, {.min = 0, .max = kMaxSide, .step = 8})
        .in("y", &In::y, {.min = 0, .max = kMaxSide, .step = 8})
        .out(&Out::latent);
  }

  /// At least eight latent pixels are left where the picture has them.
  static Out run(const In& in) {
    Latent latent = in.samples;
    const auto cut = [&](std::int64_t dimension, int from, int length) {
      const std::int64_t last = std::max<std::int64_t>(latent.samples.size(dimension) - 8, 0);
      const std::int64_t start = std::min<std::int64_t>(from / 8, last);
      latent.samples = latent.samples.slice(dimension, start, start + length / 8);
    };
    cut(3, in.x, in.width);
    cut(2, in.y, in.height);
    return {std::move(latent)};
  }
};

struct LatentBlend {
  struct In {
    Latent samples1;
    Latent samples2;
    double blend_factor = 0.5;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LatentBlend>("LatentBlend", "_for_testing")
        .display("Latent Blend")
        .in("samples1", &In::samples1)
        .in("samples2", &In::samples2)
        .in("blend_factor", &In::blend_factor, {.min = 0, .max = 1, .step = 0.01})
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    Latent latent = in.samples1;
    Tensor other = in.samples2.samples;
    if (other.sizes() != latent.samples.sizes())
      other = tensor::resample(other, latent.samples.size(3), latent.samples.size(2), "bicubic",
                               tensor::Crop::center);
    latent.samples = latent.samples * in.blend_factor + other * (1 - in.blend_factor);
    return {std::move(latent)};
  }
};

}  // namespace

void register_latent_transforms(engine::Registry& registry) {
  registry.add<LatentRotate>();
  registry.add<LatentFlip>();
  registry.add<LatentCrop>();
  registry.add<LatentBlend>();
}

}  // namespace comfy::nodes
