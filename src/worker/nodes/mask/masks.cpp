// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/mask/register.h"
#include "worker/nodes/ports.h"

namespace comfy::nodes {
namespace {

using engine::node;

constexpr const char* kModule = "comfy_extras.nodes_mask";

struct MaskToImage {
  struct In {
    Mask mask;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<MaskToImage>("MaskToImage", "mask")
        .display("Convert Mask to Image")
        .module(kModule)
        .in("mask", &In::mask)
        .out(&Out::image);
  }

  static Out run(const In& in) {
    const Tensor& mask = in.mask.values;
    return {{mask.reshape({-1, mask.size(-2), mask.size(-1), 1}).expand({-1, -1, -1, 3})}};
  }
};

struct ImageToMask {
  struct In {
    Image image;
    std::string channel = "red";
  };
  struct Out {
    Mask mask;
  };

  static auto spec() {
    return node<ImageToMask>("ImageToMask", "mask")
        .display("Convert Image to Mask")
        .module(kModule)
        .in("image", &In::image)
        .in("channel", &In::channel,
            {.choices = {"red", "green", "blue", "alpha"}, .show_default = false})
        .out(&Out::mask);
  }

  static Out run(const In& in) {
    const std::int64_t channel = in.channel == "red"     ? 0
                                 : in.channel == "green" ? 1
                                 : in.channel == "blue"  ? 2
                                                         : 3;
    if (channel >= in.image.pixels.size(-1))
      throw Error(Error::Kind::invalid_input,
                  "expected a picture with an alpha channel, got one without");
    return {{in.image.pixels.select(-1, channel)}};
  }
};

struct ImageColorToMask {
  struct In {
    Image image;
    int color = 0;
  };
  struct Out {
    Mask mask;
  };

  static auto spec() {
    return node<ImageColorToMask>("ImageColorToMask", "mask")
        .module(kModule)
        .in("image", &In::image)
        .in("color", &In::color, {.min = 0, .max = 0xffffff, .step = 1, .display = "color"})
        .out(&Out::mask);
  }

  static Out run(const In& in) {
    const Tensor bytes = (at::clamp(in.image.pixels, 0, 1) * 255).round().to(at::kInt);
    const Tensor colour =
        bytes.select(-1, 0) * 0x10000 + bytes.select(-1, 1) * 0x100 + bytes.select(-1, 2);
    return {{(colour == in.color).to(at::kFloat)}};
  }
};

struct SolidMask {
  struct In {
    double value = 1;
    int width = 512;
    int height = 512;
  };
  struct Out {
    Mask mask;
  };

  static auto spec() {
    return node<SolidMask>("SolidMask", "mask")
        .module(kModule)
        .in("value", &In::value, {.min = 0, .max = 1, .step = 0.01})
        .in("width", &In::width, {.min = 1, .max = kMaxSide, .step = 1})
        .in("height", &In::height, {.min = 1, .max = kMaxSide, .step = 1})
        .out(&Out::mask);
  }

  static Out run(const In& in) { return {{at::full({1, in.height, in.width}, in.value)}}; }
};

}  // namespace

void register_masks(engine::Registry& registry) {
  registry.add<MaskToImage>();
  registry.add<ImageToMask>();
  registry.add<ImageColorToMask>();
  registry.add<SolidMask>();
}

}  // namespace comfy::nodes
