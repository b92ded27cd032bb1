// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/nodes/latent/operations.h"

#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/image/bell.h"
#include "worker/nodes/latent/register.h"
#include "worker/nodes/model_patches/guidance_options.h"

#include <fmt/format.h>

namespace comfy::nodes {
namespace {

using engine::node;

struct LatentApplyOperation {
  struct In {
    Latent samples;
    LatentOperation operation;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LatentApplyOperation>("LatentApplyOperation", "latent/advanced/operations")
        .module("comfy_extras.nodes_latent")
        .schema()
        .experimental()
        .in("samples", &In::samples)
        .in("operation", &In::operation)
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    Latent latent = in.samples;
    latent.samples = in.operation.apply(latent.samples);
    return {std::move(latent)};
  }
};

struct LatentApplyOperationCFG {
  struct In {
    Model model;
    LatentOperation operation;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<LatentApplyOperationCFG>("LatentApplyOperationCFG", "latent/advanced/operations")
        .module("comfy_extras.nodes_latent")
        .schema()
        .experimental()
        .in("model", &In::model)
        .in("operation", &In::operation)
        .out(&Out::model);
  }

  /// Changes the guidance itself: what the positive side says beyond the negative one.
  static Out run(const In& in) {
    const auto change = [operation = in.operation](conditioning::GuidanceStep& step) {
      step.cond = operation.apply(step.cond - step.uncond) + step.uncond;
    };
    return {with_pre_cfg(in.model, in.operation.key, change)};
  }
};

/// The length of each place's vector of channels: [B, 1, H, W].
Tensor magnitude(const Tensor& latent) { return latent.norm(2, 1, /*keepdim=*/true); }

struct LatentOperationTonemapReinhard {
  struct In {
    double multiplier = 1.0;
  };
  struct Out {
    LatentOperation latent_operation;
  };

  static auto spec() {
    return node<LatentOperationTonemapReinhard>("LatentOperationTonemapReinhard",
                                                "latent/advanced/operations")
        .module("comfy_extras.nodes_latent")
        .schema()
        .experimental()
        .in("multiplier", &In::multiplier, {.min = 0.0, .max = 100.0, .step = 0.01})
        .out(&Out::latent_operation);
  }

  /// Reinhard's curve on magnitudes: bright places are held below five spreads over the mean.
  static Tensor toned(const Tensor& latent, double multiplier) {
    const Shape all{1, 2, 3};
    const Tensor length = magnitude(latent) + 1e-10;
    const Tensor mean = length.mean(at::IntArrayRef{all}, true);
    const Tensor spread = length.std(at::IntArrayRef{all}, /*unbiased=*/true, /*keepdim=*/true);
    const Tensor top = (spread * 5 + mean) * multiplier;
    const Tensor scaled = length * (1.0 / top);
    return latent / length * (scaled / (scaled + 1.0) * top);
  }

  static Out run(const In& in) {
    return {{.apply = [multiplier = in.multiplier](
                          const Tensor& latent) { return toned(latent, multiplier); },
             .key = fmt::format("tonemap:{}", in.multiplier)}};
  }
};

struct LatentOperationSharpen {
  struct In {
    int sharpen_radius = 9;
    double sigma = 1.0;
    double alpha = 0.1;
  };
  struct Out {
    LatentOperation latent_operation;
  };

  static auto spec() {
    return node<LatentOperationSharpen>("LatentOperationSharpen", "latent/advanced/operations")
        .module("comfy_extras.nodes_latent")
        .schema()
        .experimental()
        .in("sharpen_radius", &In::sharpen_radius, {.min = 1, .max = 31, .step = 1})
        .in("sigma", &In::sigma, {.min = 0.1, .max = 10.0, .step = 0.1})
        .in("alpha", &In::alpha, {.min = 0.0, .max = 5.0, .step = 0.01})
        .out(&Out::latent_operation);
  }

  /// Directions of the channels' vectors are sharpened, their lengths are kept.
  static Tensor sharpened(const Tensor& latent, std::int64_t radius, double sigma, double alpha) {
    const Tensor length = magnitude(latent) + 1e-6;
    const std::int64_t channels = latent.size(1);
    Tensor kernel = bell(radius, sigma) * (alpha * -10);
    kernel[radius][radius].add_(1.0 - kernel.sum());
    const Tensor padded = at::reflection_pad2d(latent / length, {radius, radius, radius, radius});
    return length * at::conv2d(padded, kernel.repeat({channels, 1, 1}).unsqueeze(1), {}, 1,
                               at::IntArrayRef{0}, 1, channels);
  }

  static Out run(const In& in) {
    return {{.apply = [radius = in.sharpen_radius, sigma = in.sigma, alpha = in.alpha](
                          const Tensor& latent) { return sharpened(latent, radius, sigma, alpha); },
             .key = fmt::format("sharpen:{}:{}:{}", in.sharpen_radius, in.sigma, in.alpha)}};
  }
};

}  // namespace

void register_latent_operations(engine::Registry& registry) {
  registry.add<LatentApplyOperation>();
  registry.add<LatentApplyOperationCFG>();
  registry.add<LatentOperationTonemapReinhard>();
  registry.add<LatentOperationSharpen>();
}

}  // namespace comfy::nodes
