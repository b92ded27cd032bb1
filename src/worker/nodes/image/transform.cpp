// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "inference/tensor/random.h"
#include "inference/tensor/resample.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/image/register.h"
#include "worker/nodes/ports.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace comfy::nodes {
namespace {

using engine::node;

constexpr const char* kModule = "comfy_extras.nodes_images";

struct ImageCrop {
  struct In {
    Image image;
    int width = 512;
    int height = 512;
    int x = 0;
    int y = 0;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageCrop>("ImageCrop", "image/transform")
        .display("Image Crop")
        .module(kModule)
        .in("image", &In::image)
        .in("width", &In::width, {.min = 1, .max = kMaxSide, .step = 1})
        .in("height", &In::height, {.min = 1, .max = kMaxSide, .step = 1})
        .in("x", &In::x, {.min = 0, .max = kMaxSide, .step = 1})
        .in("y", &In::y, {.min = 0, .max = kMaxSide, .step = 1})
        .out(&Out::image);
  }

  static Out run(const In& in) {
    const Tensor& pixels = in.image.pixels;
    const std::int64_t x = std::min<std::int64_t>(in.x, pixels.size(2) - 1);
    const std::int64_t y = std::min<std::int64_t>(in.y, pixels.size(1) - 1);
    return {{pixels.slice(1, y, y + in.height).slice(2, x, x + in.width)}};
  }
};

struct RepeatImageBatch {
  struct In {
    Image image;
    int amount = 1;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<RepeatImageBatch>("RepeatImageBatch", "image/batch")
        .module(kModule)
        .in("image", &In::image)
        .in("amount", &In::amount, {.min = 1, .max = 4096})
        .out(&Out::image);
  }

  static Out run(const In& in) { return {{in.image.pixels.repeat({in.amount, 1, 1, 1})}}; }
};

struct ImageFromBatch {
  struct In {
    Image image;
    int batch_index = 0;
    int length = 1;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageFromBatch>("ImageFromBatch", "image/batch")
        .module(kModule)
        .in("image", &In::image)
        .in("batch_index", &In::batch_index, {.min = 0, .max = 4095})
        .in("length", &In::length, {.min = 1, .max = 4096})
        .out(&Out::image);
  }

  static Out run(const In& in) {
    const std::int64_t count = in.image.pixels.size(0);
    const std::int64_t first = std::min<std::int64_t>(count - 1, in.batch_index);
    const std::int64_t length = std::min<std::int64_t>(count - first, in.length);
    return {{in.image.pixels.narrow(0, first, length).clone()}};
  }
};

struct ImageFlip {
  struct In {
    Image image;
    std::string flip_method = "x-axis: vertically";
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageFlip>("ImageFlip", "image/transform")
        .module(kModule)
        .in("image", &In::image)
        .in("flip_method", &In::flip_method,
            {.choices = {"x-axis: vertically", "y-axis: horizontally"}, .show_default = false})
        .out(&Out::image);
  }

  static Out run(const In& in) {
    return {{at::flip(in.image.pixels, {in.flip_method.starts_with('x') ? 1 : 2})}};
  }
};

struct ImageRotate {
  struct In {
    Image image;
    std::string rotation = "none";
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageRotate>("ImageRotate", "image/transform")
        .module(kModule)
        .in("image", &In::image)
        .in("rotation", &In::rotation,
            {.choices = {"none", "90 degrees", "180 degrees", "270 degrees"},
             .show_default = false})
        .out(&Out::image);
  }

  static Out run(const In& in) {
    const int turns = in.rotation.starts_with("90")    ? 1
                      : in.rotation.starts_with("180") ? 2
                      : in.rotation.starts_with("270") ? 3
                                                       : 0;
    return {{at::rot90(in.image.pixels, turns, {2, 1})}};
  }
};

struct GetImageSize {
  struct In {
    Image image;
  };
  struct Out {
    std::int64_t width = 0, height = 0, batch_size = 0;
  };

  static auto spec() {
    return node<GetImageSize>("GetImageSize", "image")
        .display("Get Image Size")
        .doc("Tells width, height and number of the pictures.")
        .module(kModule)
        .in("image", &In::image)
        .hidden({engine::Hidden::unique_id})
        .out("width", &Out::width)
        .out("height", &Out::height)
        .out("batch_size", &Out::batch_size);
  }

  static Out run(const In& in, engine::Context& context) {
    const Tensor& pixels = in.image.pixels;
    const Out size{pixels.size(2), pixels.size(1), pixels.size(0)};
    context.show_text(fmt::format("width: {}, height: {}\n batch size: {}", size.width, size.height,
                                  size.batch_size));
    return size;
  }
};

struct ImageAddNoise {
  struct In {
    Image image;
    std::uint64_t seed = 0;
    double strength = 0.5;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageAddNoise>("ImageAddNoise", "image")
        .module(kModule)
        .in("image", &In::image)
        .in("seed", &In::seed,
            {.min = 0,
             .max = 18446744073709551615u,
             .control_after_generate = true,
             .tooltip = "From it the noise is made."})
        .in("strength", &In::strength, {.min = 0, .max = 1, .step = 0.01})
        .out(&Out::image);
  }

  static Out run(const In& in) {
    tensor::Generator generator{in.seed};
    const Tensor noise = generator.randn(in.image.pixels.sizes().vec());
    return {{at::clamp(in.image.pixels + in.strength * noise.to(in.image.pixels.device()), 0, 1)}};
  }
};

Tensor scaled(const Image& image, std::int64_t width, std::int64_t height,
              const std::string& method) {
  return tensor::resample(image.pixels.movedim(-1, 1), width, height, method, tensor::Crop::none)
      .movedim(1, -1);
}

struct ImageScaleToMaxDimension {
  struct In {
    Image image;
    std::string upscale_method = "area";
    int largest_size = 512;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageScaleToMaxDimension>("ImageScaleToMaxDimension", "image/upscaling")
        .module(kModule)
        .in("image", &In::image)
        .in("upscale_method", &In::upscale_method,
            {.choices = {"area", "lanczos", "bilinear", "nearest-exact", "bilinear", "bicubic"},
             .show_default = false})
        .in("largest_size", &In::largest_size, {.min = 0, .max = kMaxSide, .step = 1})
        .out(&Out::image);
  }

  static Out run(const In& in) {
    const std::int64_t height = in.image.pixels.size(1), width = in.image.pixels.size(2);
    const auto shorter = [&](std::int64_t shorter_side, std::int64_t longer_side) {
      // Python's round: ties go to the even number.
      return static_cast<std::int64_t>(std::nearbyint(
          static_cast<double>(shorter_side) / static_cast<double>(longer_side) * in.largest_size));
    };
    const std::int64_t size = in.largest_size;
    if (height > width)
      return {{scaled(in.image, shorter(width, height), size, in.upscale_method)}};
    if (width > height)
      return {{scaled(in.image, size, shorter(height, width), in.upscale_method)}};
    return {{scaled(in.image, size, size, in.upscale_method)}};
  }
};

struct ImageScaleToTotalPixels {
  struct In {
    Image image;
    std::string upscale_method = "nearest-exact";
    double megapixels = 1;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageScaleToTotalPixels>("ImageScaleToTotalPixels", "image/upscaling")
        .module("comfy_extras.nodes_post_processing")
        .schema()
        .in("image", &In::image)
        .in("upscale_method", &In::upscale_method,
            {.choices = {"nearest-exact", "bilinear", "area", "bicubic", "lanczos"},
             .show_default = false})
        .in("megapixels", &In::megapixels, {.min = 0.01, .max = 16, .step = 0.01})
        .out(&Out::image);
  }

  static Out run(const In& in) {
    const double height = static_cast<double>(in.image.pixels.size(1));
    const double width = static_cast<double>(in.image.pixels.size(2));
    const double scale =
        std::sqrt(static_cast<double>(static_cast<std::int64_t>(in.megapixels * 1024 * 1024)) /
                  (width * height));
    return {{scaled(in.image, std::llrint(width * scale), std::llrint(height * scale),
                    in.upscale_method)}};
  }
};

struct ResizeAndPadImage {
  struct In {
    Image image;
    int target_width = 512;
    int target_height = 512;
    std::string padding_color = "white";
    std::string interpolation = "area";
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ResizeAndPadImage>("ResizeAndPadImage", "image/transform")
        .module(kModule)
        .in("image", &In::image)
        .in("target_width", &In::target_width, {.min = 1, .max = kMaxSide, .step = 1})
        .in("target_height", &In::target_height, {.min = 1, .max = kMaxSide, .step = 1})
        .in("padding_color", &In::padding_color,
            {.choices = {"white", "black"}, .show_default = false})
        .in("interpolation", &In::interpolation,
            {.choices = {"area", "bicubic", "nearest-exact", "bilinear", "lanczos"},
             .show_default = false})
        .out(&Out::image);
  }

  static Out run(const In& in) {
    const Tensor& pixels = in.image.pixels;
    const double scale = std::min(in.target_width / static_cast<double>(pixels.size(2)),
                                  in.target_height / static_cast<double>(pixels.size(1)));
    const auto width = static_cast<std::int64_t>(static_cast<double>(pixels.size(2)) * scale);
    const auto height = static_cast<std::int64_t>(static_cast<double>(pixels.size(1)) * scale);
    Tensor padded = at::full({pixels.size(0), in.target_height, in.target_width, pixels.size(3)},
                             in.padding_color == "white" ? 1.0 : 0.0, pixels.options());
    padded.narrow(1, (in.target_height - height) / 2, height)
        .narrow(2, (in.target_width - width) / 2, width)
        .copy_(scaled(in.image, width, height, in.interpolation));
    return {{padded}};
  }
};

}  // namespace

void register_image_transforms(engine::Registry& registry) {
  registry.add<ImageCrop>();
  registry.add<RepeatImageBatch>();
  registry.add<ImageFromBatch>();
  registry.add<ImageAddNoise>();
  registry.add<ResizeAndPadImage>();
  registry.add<GetImageSize>();
  registry.add<ImageRotate>();
  registry.add<ImageFlip>();
  registry.add<ImageScaleToMaxDimension>();
  registry.add<ImageScaleToTotalPixels>();
}

}  // namespace comfy::nodes
