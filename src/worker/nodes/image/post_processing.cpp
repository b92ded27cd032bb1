// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "inference/tensor/resample.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/image/bell.h"
#include "worker/nodes/image/channels.h"
#include "worker/nodes/image/register.h"
#include "worker/nodes/ports.h"

namespace comfy::nodes {
namespace {

using engine::node;

constexpr const char* kModule = "comfy_extras.nodes_post_processing";

Tensor soft_light(const Tensor& below, const Tensor& above) {
  const Tensor bright =
      at::where(below <= 0.25, ((16 * below - 12) * below + 4) * below, at::sqrt(below));
  return at::where(above <= 0.5, below - (1 - 2 * above) * below * (1 - below),
                   below + (2 * above - 1) * (bright - below));
}

Tensor blended(const Tensor& below, const Tensor& above, const std::string& mode) {
  if (mode == "normal") return above;
  if (mode == "multiply") return below * above;
  if (mode == "screen") return 1 - (1 - below) * (1 - above);
  if (mode == "overlay")
    return at::where(below <= 0.5, 2 * below * above, 1 - 2 * (1 - below) * (1 - above));
  if (mode == "soft_light") return soft_light(below, above);
  return below - above;
}

struct ImageBlend {
  struct In {
    Image image1;
    Image image2;
    double blend_factor = 0.5;
    std::string blend_mode = "normal";
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageBlend>("ImageBlend", "image/postprocessing")
        .module(kModule)
        .schema()
        .in("image1", &In::image1)
        .in("image2", &In::image2)
        .in("blend_factor", &In::blend_factor, {.min = 0, .max = 1, .step = 0.01})
        .in("blend_mode", &In::blend_mode,
            {.choices = {"normal", "multiply", "screen", "overlay", "soft_light", "difference"},
             .show_default = false})
        .out(&Out::image);
  }

  static Out run(const In& in) {
    const Tensor& below = in.image1.pixels;
    Tensor above = with_channels(in.image2.pixels, below.size(-1));
    if (below.sizes() != above.sizes())
      above = tensor::resample(above.movedim(-1, 1), below.size(2), below.size(1), "bicubic",
                               tensor::Crop::center)
                  .movedim(1, -1);
    const Tensor mixed =
        below * (1 - in.blend_factor) + blended(below, above, in.blend_mode) * in.blend_factor;
    return {{mixed.clamp(0, 1)}};
  }
};

/// Each channel of pictures [B, H, W, C] with the kernel; edges are mirrored.
Tensor filtered(const Tensor& pixels, const Tensor& kernel) {
  const std::int64_t radius = kernel.size(0) / 2, channels = pixels.size(-1);
  if (radius >= pixels.size(1) || radius >= pixels.size(2))
    throw Error(Error::Kind::invalid_input,
                "the radius must be smaller than the picture's sides, got " +
                    std::to_string(radius) + " for " + std::to_string(pixels.size(2)) + "x" +
                    std::to_string(pixels.size(1)));
  const Tensor padded =
      at::reflection_pad2d(pixels.movedim(-1, 1), {radius, radius, radius, radius});
  const Tensor kernels = kernel.repeat({channels, 1, 1}).unsqueeze(1);
  // Padded once more, as ComfyUI does it, and cut: the sums are those of the original.
  return at::conv2d(padded, kernels, {}, at::IntArrayRef{1, 1}, at::IntArrayRef{radius, radius},
                    at::IntArrayRef{1, 1}, channels)
      .narrow(2, radius, pixels.size(1))
      .narrow(3, radius, pixels.size(2))
      .movedim(1, -1);
}

struct ImageBlur {
  struct In {
    Image image;
    int blur_radius = 1;
    double sigma = 1;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageBlur>("ImageBlur", "image/postprocessing")
        .module(kModule)
        .schema()
        .in("image", &In::image)
        .in("blur_radius", &In::blur_radius, {.min = 1, .max = 31, .step = 1})
        .in("sigma", &In::sigma, {.min = 0.1, .max = 10, .step = 0.1})
        .out(&Out::image);
  }

  static Out run(const In& in) {
    if (in.blur_radius == 0) return {in.image};
    return {{filtered(in.image.pixels, bell(in.blur_radius, in.sigma))}};
  }
};

struct ImageSharpen {
  struct In {
    Image image;
    int sharpen_radius = 1;
    double sigma = 1;
    double alpha = 1;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageSharpen>("ImageSharpen", "image/postprocessing")
        .module(kModule)
        .schema()
        .in("image", &In::image)
        .in("sharpen_radius", &In::sharpen_radius, {.min = 1, .max = 31, .step = 1})
        .in("sigma", &In::sigma, {.min = 0.1, .max = 10, .step = 0.01})
        .in("alpha", &In::alpha, {.min = 0, .max = 5, .step = 0.01})
        .out(&Out::image);
  }

  static Out run(const In& in) {
    if (in.sharpen_radius == 0) return {in.image};
    const std::int64_t radius = in.sharpen_radius;
    Tensor kernel = bell(radius, in.sigma) * -(in.alpha * 10);
    const Tensor centre = kernel[radius][radius];
    centre.copy_(centre - kernel.sum() + 1.0);
    return {{filtered(in.image.pixels, kernel).clamp(0, 1)}};
  }
};

}  // namespace

Tensor bell(std::int64_t radius, double sigma) {
  const Tensor line = at::linspace(-1, 1, 2 * radius + 1);
  const std::vector<Tensor> places = at::meshgrid({line, line}, "ij");
  const Tensor distance = at::sqrt(places[0] * places[0] + places[1] * places[1]);
  const Tensor values = at::exp(-(distance * distance) / (2.0 * sigma * sigma));
  return values / values.sum();
}

void register_post_processing(engine::Registry& registry) {
  registry.add<ImageBlend>();
  registry.add<ImageBlur>();
  registry.add<ImageSharpen>();
}

}  // namespace comfy::nodes
