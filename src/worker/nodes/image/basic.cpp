// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "inference/tensor/resample.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/image/register.h"
#include "worker/nodes/ports.h"

namespace comfy::nodes {
namespace {

using engine::node;

struct EmptyImage {
  struct In {
    int width = 512;
    int height = 512;
    int batch_size = 1;
    int color = 0;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<EmptyImage>("EmptyImage", "image")
        .in("width", &In::width, {.min = 1, .max = kMaxSide, .step = 1})
        .in("height", &In::height, {.min = 1, .max = kMaxSide, .step = 1})
        .in("batch_size", &In::batch_size, {.min = 1, .max = 4096})
        .in("color", &In::color, {.min = 0, .max = 0xffffff, .step = 1, .display = "color"})
        .out(&Out::image);
  }

  static Out run(const In& in) {
    std::vector<Tensor> channels;
    for (const int shift : {16, 8, 0})
      channels.push_back(
          at::full({in.batch_size, in.height, in.width, 1}, ((in.color >> shift) & 0xff) / 255.0));
    return {{at::cat(channels, -1)}};
  }
};

struct ImageInvert {
  struct In {
    Image image;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageInvert>("ImageInvert", "image")
        .display("Invert Image")
        .in("image", &In::image)
        .out(&Out::image);
  }

  static Out run(const In& in) { return {{1.0 - in.image.pixels}}; }
};

/// Adds an opaque alpha channel to a picture that has none, when `other` has one.
Tensor with_alpha_like(const Tensor& pixels, const Tensor& other) {
  if (pixels.size(-1) >= other.size(-1)) return pixels;
  return at::constant_pad_nd(pixels, {0, 1}, 1.0);
}

struct ImageBatch {
  struct In {
    Image image1;
    Image image2;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageBatch>("ImageBatch", "image")
        .display("Batch Images")
        .in("image1", &In::image1)
        .in("image2", &In::image2)
        .out(&Out::image);
  }

  /// The second batch takes the size of the first.
  static Out run(const In& in) {
    const Tensor first = with_alpha_like(in.image1.pixels, in.image2.pixels);
    Tensor second = with_alpha_like(in.image2.pixels, in.image1.pixels);
    if (first.sizes().slice(1) != second.sizes().slice(1))
      second = tensor::resample(second.movedim(-1, 1), first.size(2), first.size(1), "bilinear",
                                tensor::Crop::center)
                   .movedim(1, -1);
    return {{at::cat({first, second}, 0)}};
  }
};

}  // namespace

void register_basic_images(engine::Registry& registry) {
  registry.add<EmptyImage>();
  registry.add<ImageInvert>();
  registry.add<ImageBatch>();
}

}  // namespace comfy::nodes
