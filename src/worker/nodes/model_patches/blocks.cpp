// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "inference/models/block_patches.h"
#include "inference/models/unet/config.h"
#include "inference/sampling/model_sampling.h"
#include "inference/tensor/ops.h"
#include "inference/tensor/resample.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/model_patches/guidance_options.h"
#include "worker/nodes/model_patches/register.h"
#include "worker/nodes/ports.h"

#include <fmt/format.h>

#include <cmath>
#include <memory>

namespace comfy::nodes {
namespace {

using engine::node;
using models::BlockHooks;
using models::BlockPlace;

/// Throws Error(invalid_input) for networks of another kind.
std::int64_t model_channels_of(const Model& model) {
  const auto config = models::unet::detect(model.weights());
  if (!config)
    throw Error(
        Error::Kind::invalid_input,
        fmt::format("expected a UNet, got a model of the family {}", model.architecture().name));
  return config->model_channels;
}

struct FreeU {
  struct In {
    Model model;
    double b1 = 1.1;
    double b2 = 1.2;
    double s1 = 0.9;
    double s2 = 0.2;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<FreeU>("FreeU", "model_patches/unet")
        .module("comfy_extras.nodes_freelunch")
        .in("model", &In::model)
        .in("b1", &In::b1, {.min = 0.0, .max = 10.0, .step = 0.01})
        .in("b2", &In::b2, {.min = 0.0, .max = 10.0, .step = 0.01})
        .in("s1", &In::s1, {.min = 0.0, .max = 10.0, .step = 0.01})
        .in("s2", &In::s2, {.min = 0.0, .max = 10.0, .step = 0.01})
        .out(&Out::model);
  }

  static Out run(const In& in) {
    return {in.model.with_hooks(models::freeu({.b1 = in.b1, .b2 = in.b2, .s1 = in.s1, .s2 = in.s2},
                                              model_channels_of(in.model),
                                              models::FreeUVersion::first))};
  }
};

struct FreeU_V2 {
  struct In {
    Model model;
    double b1 = 1.3;
    double b2 = 1.4;
    double s1 = 0.9;
    double s2 = 0.2;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<FreeU_V2>("FreeU_V2", "model_patches/unet")
        .module("comfy_extras.nodes_freelunch")
        .in("model", &In::model)
        .in("b1", &In::b1, {.min = 0.0, .max = 10.0, .step = 0.01})
        .in("b2", &In::b2, {.min = 0.0, .max = 10.0, .step = 0.01})
        .in("s1", &In::s1, {.min = 0.0, .max = 10.0, .step = 0.01})
        .in("s2", &In::s2, {.min = 0.0, .max = 10.0, .step = 0.01})
        .out(&Out::model);
  }

  static Out run(const In& in) {
    return {in.model.with_hooks(models::freeu({.b1 = in.b1, .b2 = in.b2, .s1 = in.s1, .s2 = in.s2},
                                              model_channels_of(in.model),
                                              models::FreeUVersion::second))};
  }
};

struct HyperTile {
  struct In {
    Model model;
    int tile_size = 256;
    int swap_size = 2;
    int max_depth = 0;
    bool scale_depth = false;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<HyperTile>("HyperTile", "model_patches/unet")
        .module("comfy_extras.nodes_hypertile")
        .schema()
        .in("model", &In::model)
        .in("tile_size", &In::tile_size, {.min = 1, .max = 2048})
        .in("swap_size", &In::swap_size, {.min = 1, .max = 128})
        .in("max_depth", &In::max_depth, {.min = 0, .max = 10})
        .in("scale_depth", &In::scale_depth)
        .out(&Out::model);
  }

  static Out run(const In& in) {
    const auto generator = std::make_shared<tensor::Generator>(0);
    return {drawing_on(in.model.with_hooks(models::hypertile({.tile_size = in.tile_size,
                                                              .swap_size = in.swap_size,
                                                              .max_depth = in.max_depth,
                                                              .scale_depth = in.scale_depth},
                                                             generator)),
                       generator)};
  }
};

struct TomePatchModel {
  struct In {
    Model model;
    double ratio = 0.3;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<TomePatchModel>("TomePatchModel", "model_patches/unet")
        .module("comfy_extras.nodes_tomesd")
        .schema()
        .in("model", &In::model)
        .in("ratio", &In::ratio, {.min = 0.0, .max = 1.0, .step = 0.01})
        .out(&Out::model);
  }

  static Out run(const In& in) {
    const auto generator = std::make_shared<tensor::Generator>(0);
    return {drawing_on(in.model.with_hooks(models::token_merging(in.ratio, generator)), generator)};
  }
};

struct PatchModelAddDownscale {
  struct In {
    Model model;
    int block_number = 3;
    double downscale_factor = 2.0;
    double start_percent = 0.0;
    double end_percent = 0.35;
    bool downscale_after_skip = true;
    std::string downscale_method;
    std::string upscale_method;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<PatchModelAddDownscale>("PatchModelAddDownscale", "model_patches/unet")
        .display("PatchModelAddDownscale (Kohya Deep Shrink)")
        .module("comfy_extras.nodes_model_downscale")
        .schema()
        .in("model", &In::model)
        .in("block_number", &In::block_number, {.min = 1, .max = 32, .step = 1})
        .in("downscale_factor", &In::downscale_factor, {.min = 0.1, .max = 9.0, .step = 0.001})
        .in("start_percent", &In::start_percent, {.min = 0.0, .max = 1.0, .step = 0.001})
        .in("end_percent", &In::end_percent, {.min = 0.0, .max = 1.0, .step = 0.001})
        .in("downscale_after_skip", &In::downscale_after_skip)
        .in("downscale_method", &In::downscale_method,
            {.choices = {"bicubic", "nearest-exact", "bilinear", "area", "bislerp"}})
        .in("upscale_method", &In::upscale_method,
            {.choices = {"bicubic", "nearest-exact", "bilinear", "area", "bislerp"}})
        .out(&Out::model);
  }

  /// Kohya's deep shrink: a block works on a smaller map during the first part of sampling.
  static Out run(const In& in) {
    const sampling::ModelSampling sampling{in.model.sampling()};
    const double first = sampling.percent_to_sigma(in.start_percent);
    const double last = sampling.percent_to_sigma(in.end_percent);
    const auto shrunk = [=, block = in.block_number, factor = in.downscale_factor,
                         method = in.downscale_method](const Tensor& h, const BlockPlace& place) {
      if (place.block != block) return h;
      const double sigma = place.sigmas[0].item<double>();
      if (sigma > first || sigma < last) return h;
      const auto scaled = [&](std::int64_t side) {
        return std::llrint(static_cast<double>(side) * (1.0 / factor));
      };
      return tensor::resample(h, scaled(h.size(-1)), scaled(h.size(-2)), method,
                              tensor::Crop::none);
    };
    BlockHooks hooks;
    (in.downscale_after_skip ? hooks.input_block_after_skip : hooks.input_block)
        .emplace_back(shrunk);
    hooks.output_block.emplace_back(
        [method = in.upscale_method](Tensor h, Tensor skip, const BlockPlace&) {
          if (h.size(2) != skip.size(2))
            h = tensor::resample(h, skip.size(-1), skip.size(-2), method, tensor::Crop::none);
          return std::pair{std::move(h), std::move(skip)};
        });
    hooks.key =
        fmt::format("shrink:{}:{}:{}:{}:{}:{}:{}", in.block_number, in.downscale_factor, first,
                    last, in.downscale_after_skip, in.downscale_method, in.upscale_method);
    return {in.model.with_hooks(hooks)};
  }
};

}  // namespace

void register_block_patches(engine::Registry& registry) {
  registry.add<FreeU>();
  registry.add<FreeU_V2>();
  registry.add<HyperTile>();
  registry.add<TomePatchModel>();
  registry.add<PatchModelAddDownscale>();
}

}  // namespace comfy::nodes
