// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/mask/register.h"
#include "worker/nodes/ports.h"

#include <algorithm>
#include <cstdlib>

namespace comfy::nodes {
namespace {

using engine::node;

constexpr const char* kModule = "comfy_extras.nodes_mask";

/// Masks of any shape as [B, H, W].
Tensor as_batch(const Tensor& mask) { return mask.reshape({-1, mask.size(-2), mask.size(-1)}); }

struct InvertMask {
  struct In {
    Mask mask;
  };
  struct Out {
    Mask mask;
  };

  static auto spec() {
    return node<InvertMask>("InvertMask", "mask")
        .module(kModule)
        .in("mask", &In::mask)
        .out(&Out::mask);
  }

  static Out run(const In& in) { return {{1.0 - in.mask.values}}; }
};

struct CropMask {
  struct In {
    Mask mask;
    int x = 0;
    int y = 0;
    int width = 512;
    int height = 512;
  };
  struct Out {
    Mask mask;
  };

  static auto spec() {
    return node<CropMask>("CropMask", "mask")
        .module(kModule)
        .in("mask", &In::mask)
        .in("x", &In::x, {.min = 0, .max = kMaxSide, .step = 1})
        .in("y", &In::y, {.min = 0, .max = kMaxSide, .step = 1})
        .in("width", &In::width, {.min = 1, .max = kMaxSide, .step = 1})
        .in("height", &In::height, {.min = 1, .max = kMaxSide, .step = 1})
        .out(&Out::mask);
  }

  /// What lies outside is left out.
  static Out run(const In& in) {
    return {{as_batch(in.mask.values)
                 .slice(1, in.y, in.y + in.height)
                 .slice(2, in.x, in.x + in.width)}};
  }
};

struct MaskComposite {
  struct In {
    Mask destination;
    Mask source;
    int x = 0;
    int y = 0;
    std::string operation = "multiply";
  };
  struct Out {
    Mask mask;
  };

  static auto spec() {
    return node<MaskComposite>("MaskComposite", "mask")
        .module(kModule)
        .in("destination", &In::destination)
        .in("source", &In::source)
        .in("x", &In::x, {.min = 0, .max = kMaxSide, .step = 1})
        .in("y", &In::y, {.min = 0, .max = kMaxSide, .step = 1})
        .in("operation", &In::operation,
            {.choices = {"multiply", "add", "subtract", "and", "or", "xor"}, .show_default = false})
        .out(&Out::mask);
  }

  static Out run(const In& in) {
    Tensor output = as_batch(in.destination.values).clone();
    const Tensor source = as_batch(in.source.values);
    const std::int64_t width = std::min<std::int64_t>(source.size(2), output.size(2) - in.x);
    const std::int64_t height = std::min<std::int64_t>(source.size(1), output.size(1) - in.y);
    if (width <= 0 || height <= 0) return {{output.clamp(0, 1)}};
    Tensor below = output.narrow(1, in.y, height).narrow(2, in.x, width);
    below.copy_(combined(below, source.narrow(1, 0, height).narrow(2, 0, width), in.operation));
    return {{output.clamp(0, 1)}};
  }

  static Tensor combined(const Tensor& below, const Tensor& above, const std::string& operation) {
    if (operation == "multiply") return below * above;
    if (operation == "add") return below + above;
    if (operation == "subtract") return below - above;
    const Tensor a = below.round().to(at::kBool), b = above.round().to(at::kBool);
    const Tensor chosen = operation == "and"  ? at::logical_and(a, b)
                          : operation == "or" ? at::logical_or(a, b)
                                              : at::logical_xor(a, b);
    return chosen.to(at::kFloat);
  }
};

struct FeatherMask {
  struct In {
    Mask mask;
    int left = 0;
    int top = 0;
    int right = 0;
    int bottom = 0;
  };
  struct Out {
    Mask mask;
  };

  static auto spec() {
    return node<FeatherMask>("FeatherMask", "mask")
        .module(kModule)
        .in("mask", &In::mask)
        .in("left", &In::left, {.min = 0, .max = kMaxSide, .step = 1})
        .in("top", &In::top, {.min = 0, .max = kMaxSide, .step = 1})
        .in("right", &In::right, {.min = 0, .max = kMaxSide, .step = 1})
        .in("bottom", &In::bottom, {.min = 0, .max = kMaxSide, .step = 1})
        .out(&Out::mask);
  }

  static Out run(const In& in) {
    Tensor output = as_batch(in.mask.values).clone();
    fade(output, 2, in.left, Side::front);
    fade(output, 2, in.right, Side::back);
    fade(output, 1, in.top, Side::front);
    fade(output, 1, in.bottom, Side::back);
    return {{output}};
  }

  enum class Side { front, back };
  static void fade(Tensor& mask, std::int64_t dimension, std::int64_t length, Side side) {
    const std::int64_t size = mask.size(dimension);
    length = std::min(length, size);
    for (std::int64_t i = 0; i < length; ++i) {
      // ComfyUI counts the far side from -0, which is the first line; keep it.
      const std::int64_t line = side == Side::front || i == 0 ? i : size - i;
      mask.select(dimension, line).mul_(static_cast<double>(i + 1) / static_cast<double>(length));
    }
  }
};

struct GrowMask {
  struct In {
    Mask mask;
    int expand = 0;
    bool tapered_corners = true;
  };
  struct Out {
    Mask mask;
  };

  static auto spec() {
    return node<GrowMask>("GrowMask", "mask")
        .module(kModule)
        .in("mask", &In::mask)
        .in("expand", &In::expand, {.min = -kMaxSide, .max = kMaxSide, .step = 1})
        .in("tapered_corners", &In::tapered_corners)
        .out(&Out::mask);
  }

  static Out run(const In& in, engine::Context& context) {
    Tensor mask = as_batch(in.mask.values);
    // Shrinking is growing of what is not chosen.
    if (in.expand < 0) mask = -mask;
    for (int i = 0; i < std::abs(in.expand); ++i) {
      context.check_cancelled();
      mask = grown(mask, in.tapered_corners ? Corners::tapered : Corners::square);
    }
    return {{in.expand < 0 ? -mask : mask}};
  }

  enum class Corners { tapered, square };
  /// By one pixel: the largest of each pixel's neighbours.
  static Tensor grown(const Tensor& mask, Corners corners) {
    if (corners == Corners::square)
      return at::max_pool2d(mask.unsqueeze(1), {3, 3}, {1, 1}, {1, 1}).squeeze(1);
    const Tensor flat = mask.unsqueeze(1);
    return at::maximum(at::max_pool2d(flat, {3, 1}, {1, 1}, {1, 0}),
                       at::max_pool2d(flat, {1, 3}, {1, 1}, {0, 1}))
        .squeeze(1);
  }
};

struct ThresholdMask {
  struct In {
    Mask mask;
    double value = 0.5;
  };
  struct Out {
    Mask mask;
  };

  static auto spec() {
    return node<ThresholdMask>("ThresholdMask", "mask")
        .module(kModule)
        .in("mask", &In::mask)
        .in("value", &In::value, {.min = 0, .max = 1, .step = 0.01})
        .out(&Out::mask);
  }

  static Out run(const In& in) { return {{(in.mask.values > in.value).to(at::kFloat)}}; }
};

}  // namespace

void register_mask_edits(engine::Registry& registry) {
  registry.add<InvertMask>();
  registry.add<CropMask>();
  registry.add<MaskComposite>();
  registry.add<FeatherMask>();
  registry.add<GrowMask>();
  registry.add<ThresholdMask>();
}

}  // namespace comfy::nodes
