// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/image/register.h"
#include "worker/nodes/ports.h"

namespace comfy::nodes {
namespace {

using engine::node;

constexpr const char* kModule = "comfy_extras.nodes_morphology";
/// Stands for what lies outside the picture: smaller than any colour.
constexpr double kOutside = -1e4;

/// The largest value in a square around each pixel. pixels: [B, C, H, W].
Tensor dilated(const Tensor& pixels, std::int64_t size) {
  const std::int64_t before = size / 2, after = size - 1 - before;
  const Tensor padded = at::constant_pad_nd(pixels, {before, after, before, after}, kOutside);
  return at::max_pool2d(padded, {size, size}, {1, 1});
}

Tensor eroded(const Tensor& pixels, std::int64_t size) { return -dilated(-pixels, size); }

struct Morphology {
  struct In {
    Image image;
    std::string operation = "erode";
    int kernel_size = 3;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<Morphology>("Morphology", "image/postprocessing")
        .display("ImageMorphology")
        .module(kModule)
        .schema()
        .in("image", &In::image)
        .in("operation", &In::operation,
            {.choices = {"erode", "dilate", "open", "close", "gradient", "bottom_hat", "top_hat"},
             .show_default = false})
        .in("kernel_size", &In::kernel_size, {.min = 3, .max = 999, .step = 1})
        .out(&Out::image);
  }

  static Out run(const In& in) {
    return {{changed(in.image.pixels.movedim(-1, 1), in.operation, in.kernel_size).movedim(1, -1)}};
  }

  static Tensor changed(const Tensor& pixels, const std::string& operation, std::int64_t size) {
    if (operation == "erode") return eroded(pixels, size);
    if (operation == "dilate") return dilated(pixels, size);
    if (operation == "open") return dilated(eroded(pixels, size), size);
    if (operation == "close") return eroded(dilated(pixels, size), size);
    if (operation == "gradient") return dilated(pixels, size) - eroded(pixels, size);
    if (operation == "top_hat") return pixels - dilated(eroded(pixels, size), size);
    return eroded(dilated(pixels, size), size) - pixels;
  }
};

struct ImageRGBToYUV {
  struct In {
    Image image;
  };
  struct Out {
    Image y, u, v;
  };

  static auto spec() {
    return node<ImageRGBToYUV>("ImageRGBToYUV", "image/batch")
        .module(kModule)
        .schema()
        .in("image", &In::image)
        .out("Y", &Out::y)
        .out("U", &Out::u)
        .out("V", &Out::v);
  }

  /// Source: ITU-R BT.601, with the factors of kornia's YCbCr.
  static Out run(const In& in) {
    const Tensor& pixels = in.image.pixels;
    const Tensor r = pixels.slice(-1, 0, 1), g = pixels.slice(-1, 1, 2), b = pixels.slice(-1, 2, 3);
    const Tensor y = 0.299 * r + 0.587 * g + 0.114 * b;
    const auto as_picture = [&](const Tensor& plane) { return Image{plane.expand_as(pixels)}; };
    return {as_picture(y), as_picture((b - y) * 0.564 + 0.5), as_picture((r - y) * 0.713 + 0.5)};
  }
};

struct ImageYUVToRGB {
  struct In {
    Image Y, U, V;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageYUVToRGB>("ImageYUVToRGB", "image/batch")
        .module(kModule)
        .schema()
        .in("Y", &In::Y)
        .in("U", &In::U)
        .in("V", &In::V)
        .out(&Out::image);
  }

  static Out run(const In& in) {
    const auto plane = [](const Image& image) { return image.pixels.mean(-1, true); };
    const Tensor y = plane(in.Y), u = plane(in.U) - 0.5, v = plane(in.V) - 0.5;
    const Tensor r = y + v / 0.713, b = y + u / 0.564;
    return {{at::cat({r, (y - 0.299 * r - 0.114 * b) / 0.587, b}, -1)}};
  }
};

}  // namespace

void register_morphology(engine::Registry& registry) {
  registry.add<Morphology>();
  registry.add<ImageRGBToYUV>();
  registry.add<ImageYUVToRGB>();
}

}  // namespace comfy::nodes
