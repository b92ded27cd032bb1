// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "inference/tensor/resample.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/image/register.h"
#include "worker/nodes/ports.h"

#include <algorithm>
#include <functional>
#include <string_view>

namespace comfy::nodes {
namespace {

using engine::node;

constexpr const char* kModule = "comfy_extras.nodes_compositing";
constexpr const char* kCategory = "mask/compositing";

/// A picture whose colours are multiplied by its alpha: colour [B, H, W, C], alpha [B, H, W, 1].
struct Layer {
  Tensor colour;
  Tensor alpha;
};

/// Alpha of two layers of which either covers.
Tensor either(const Layer& source, const Layer& below) {
  return source.alpha + below.alpha - source.alpha * below.alpha;
}

/// What each layer shows where the other is not.
Tensor outside(const Layer& source, const Layer& below) {
  return (1 - below.alpha) * source.colour + (1 - source.alpha) * below.colour;
}

/// How two layers become one. Source: Porter and Duff, "Compositing digital images" (1984), with
/// the blend modes of the same form.
struct Mode {
  std::string_view name;
  Layer (*apply)(const Layer& source, const Layer& below);
};

const Mode kModes[] = {
    {"ADD",
     [](const Layer& s, const Layer& d) {
       return Layer{at::clamp(s.colour + d.colour, 0, 1), at::clamp(s.alpha + d.alpha, 0, 1)};
     }},
    {"CLEAR",
     [](const Layer&, const Layer& d) {
       return Layer{at::zeros_like(d.colour), at::zeros_like(d.alpha)};
     }},
    {"DARKEN",
     [](const Layer& s, const Layer& d) {
       return Layer{outside(s, d) + at::minimum(s.colour, d.colour), either(s, d)};
     }},
    {"DST", [](const Layer&, const Layer& d) { return d; }},
    {"DST_ATOP",
     [](const Layer& s, const Layer& d) {
       return Layer{s.alpha * d.colour + (1 - d.alpha) * s.colour, s.alpha};
     }},
    {"DST_IN",
     [](const Layer& s, const Layer& d) { return Layer{d.colour * s.alpha, s.alpha * d.alpha}; }},
    {"DST_OUT",
     [](const Layer& s, const Layer& d) {
       return Layer{(1 - s.alpha) * d.colour, (1 - s.alpha) * d.alpha};
     }},
    {"DST_OVER",
     [](const Layer& s, const Layer& d) {
       return Layer{d.colour + (1 - d.alpha) * s.colour, d.alpha + (1 - d.alpha) * s.alpha};
     }},
    {"LIGHTEN",
     [](const Layer& s, const Layer& d) {
       return Layer{outside(s, d) + at::maximum(s.colour, d.colour), either(s, d)};
     }},
    {"MULTIPLY",
     [](const Layer& s, const Layer& d) { return Layer{s.colour * d.colour, s.alpha * d.alpha}; }},
    {"OVERLAY",
     [](const Layer& s, const Layer& d) {
       return Layer{at::where(2 * d.colour < d.alpha, 2 * s.colour * d.colour,
                              s.alpha * d.alpha - 2 * (d.alpha - s.colour) * (s.alpha - d.colour)),
                    either(s, d)};
     }},
    {"SCREEN",
     [](const Layer& s, const Layer& d) {
       return Layer{s.colour + d.colour - s.colour * d.colour, either(s, d)};
     }},
    {"SRC", [](const Layer& s, const Layer&) { return s; }},
    {"SRC_ATOP",
     [](const Layer& s, const Layer& d) {
       return Layer{d.alpha * s.colour + (1 - s.alpha) * d.colour, d.alpha};
     }},
    {"SRC_IN",
     [](const Layer& s, const Layer& d) { return Layer{s.colour * d.alpha, s.alpha * d.alpha}; }},
    {"SRC_OUT",
     [](const Layer& s, const Layer& d) {
       return Layer{(1 - d.alpha) * s.colour, (1 - d.alpha) * s.alpha};
     }},
    {"SRC_OVER",
     [](const Layer& s, const Layer& d) {
       return Layer{s.colour + (1 - s.alpha) * d.colour, s.alpha + (1 - s.alpha) * d.alpha};
     }},
    {"XOR",
     [](const Layer& s, const Layer& d) {
       return Layer{outside(s, d), (1 - d.alpha) * s.alpha + (1 - s.alpha) * d.alpha};
     }},
};

std::vector<std::string> mode_names() {
  std::vector<std::string> names;
  for (const Mode& mode : kModes) names.emplace_back(mode.name);
  return names;
}

/// Pictures or masks [B, H, W, C] in that size.
Tensor in_size(const Tensor& pixels, const Tensor& like) {
  if (pixels.size(1) == like.size(1) && pixels.size(2) == like.size(2)) return pixels;
  return tensor::resample(pixels.movedim(-1, 1), like.size(2), like.size(1), "bicubic",
                          tensor::Crop::center)
      .movedim(1, -1);
}

struct PorterDuffImageComposite {
  struct In {
    Image source;
    Mask source_alpha;
    Image destination;
    Mask destination_alpha;
    std::string mode = "DST";
  };
  struct Out {
    Image image;
    Mask mask;
  };

  static auto spec() {
    return node<PorterDuffImageComposite>("PorterDuffImageComposite", kCategory)
        .display("Porter-Duff Image Composite")
        .module(kModule)
        .schema()
        .in("source", &In::source)
        .in("source_alpha", &In::source_alpha)
        .in("destination", &In::destination)
        .in("destination_alpha", &In::destination_alpha)
        .in("mode", &In::mode, {.choices = mode_names})
        .out(&Out::image)
        .out(&Out::mask);
  }

  static Out run(const In& in) {
    const std::int64_t count =
        std::min({in.source.pixels.size(0), in.source_alpha.values.size(0),
                  in.destination.pixels.size(0), in.destination_alpha.values.size(0)});
    const Tensor below = in.destination.pixels.narrow(0, 0, count);
    if (below.size(-1) != in.source.pixels.size(-1))
      throw Error(Error::Kind::invalid_input,
                  "source and destination must have the same number of channels, got " +
                      std::to_string(in.source.pixels.size(-1)) + " and " +
                      std::to_string(below.size(-1)));
    // Masks are 1 where nothing is.
    const auto layer = [&](const Tensor& pixels, const Tensor& mask) {
      const Tensor alpha = 1 - in_size(mask.narrow(0, 0, count).unsqueeze(-1), below);
      return Layer{in_size(pixels.narrow(0, 0, count), below) * alpha, alpha};
    };
    const Layer made = apply(in.mode, layer(in.source.pixels, in.source_alpha.values),
                             layer(below, in.destination_alpha.values));
    const Tensor colour =
        at::where(made.alpha > 1e-5, made.colour / made.alpha, at::zeros_like(made.colour));
    return {{colour.clamp(0, 1)}, {(1 - made.alpha).squeeze(-1)}};
  }

  static Layer apply(const std::string& name, const Layer& source, const Layer& below) {
    for (const Mode& mode : kModes)
      if (mode.name == name) return mode.apply(source, below);
    throw Error(Error::Kind::invalid_input, "expected a mode of composition, got \"" + name + "\"");
  }
};

struct SplitImageWithAlpha {
  struct In {
    Image image;
  };
  struct Out {
    Image image;
    Mask mask;
  };

  static auto spec() {
    return node<SplitImageWithAlpha>("SplitImageWithAlpha", kCategory)
        .display("Split Image with Alpha")
        .module(kModule)
        .schema()
        .in("image", &In::image)
        .out(&Out::image)
        .out(&Out::mask);
  }

  static Out run(const In& in) {
    const Tensor& pixels = in.image.pixels;
    const Tensor mask =
        pixels.size(-1) > 3 ? 1.0 - pixels.select(-1, 3) : at::zeros_like(pixels.select(-1, 0));
    return {{pixels.slice(-1, 0, 3)}, {mask}};
  }
};

struct JoinImageWithAlpha {
  struct In {
    Image image;
    Mask alpha;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<JoinImageWithAlpha>("JoinImageWithAlpha", kCategory)
        .display("Join Image with Alpha")
        .module(kModule)
        .schema()
        .in("image", &In::image)
        .in("alpha", &In::alpha)
        .out(&Out::image);
  }

  static Out run(const In& in) {
    const Tensor& pixels = in.image.pixels;
    const Tensor& mask = in.alpha.values;
    const std::int64_t count = std::min(pixels.size(0), mask.size(0));
    const Tensor alpha =
        1.0 - at::upsample_bilinear2d(mask.reshape({-1, 1, mask.size(-2), mask.size(-1)}),
                                      {pixels.size(1), pixels.size(2)}, false)
                  .movedim(1, -1);
    return {{at::cat({pixels.narrow(0, 0, count).slice(-1, 0, 3), alpha.narrow(0, 0, count)}, -1)}};
  }
};

}  // namespace

void register_compositing(engine::Registry& registry) {
  registry.add<PorterDuffImageComposite>();
  registry.add<SplitImageWithAlpha>();
  registry.add<JoinImageWithAlpha>();
}

}  // namespace comfy::nodes
