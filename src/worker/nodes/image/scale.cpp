// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "inference/tensor/ops.h"
#include "inference/tensor/resample.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/image/register.h"
#include "worker/nodes/ports.h"

#include <cmath>

namespace comfy::nodes {
namespace {

using engine::node;

const engine::Choices kMethods{"nearest-exact", "bilinear", "area", "bicubic", "lanczos"};

Image resized(const Image& image, std::int64_t width, std::int64_t height,
              const std::string& method, tensor::Crop crop) {
  const Tensor planes = image.pixels.movedim(-1, 1);  // [B, C, H, W]
  return {tensor::resample(planes, width, height, method, crop).movedim(1, -1)};
}

/// `side` in the proportion `of` to `to`, rounded as Python does, at least 1.
std::int64_t in_proportion(std::int64_t side, std::int64_t of, std::int64_t to) {
  const double exact =
      static_cast<double>(side) * static_cast<double>(of) / static_cast<double>(to);
  return std::max<std::int64_t>(1, std::llrint(exact));
}

struct ImageScale {
  struct In {
    Image image;
    std::string upscale_method;
    int width = 512;
    int height = 512;
    std::string crop;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageScale>("ImageScale", "image/upscaling")
        .display("Upscale Image")
        .in("image", &In::image)
        .in("upscale_method", &In::upscale_method, {.choices = kMethods})
        .in("width", &In::width, {.min = 0, .max = kMaxSide, .step = 1})
        .in("height", &In::height, {.min = 0, .max = kMaxSide, .step = 1})
        .in("crop", &In::crop, {.choices = {"disabled", "center"}})
        .out(&Out::image);
  }

  /// A side of 0 follows from the other; both 0 leave the picture alone.
  static Out run(const In& in) {
    std::int64_t width = in.width, height = in.height;
    const std::int64_t old_height = in.image.pixels.size(1), old_width = in.image.pixels.size(2);
    if (width == 0 && height == 0) return {in.image};
    if (width == 0) width = in_proportion(old_width, height, old_height);
    if (height == 0) height = in_proportion(old_height, width, old_width);
    const auto crop = in.crop == "center" ? tensor::Crop::center : tensor::Crop::none;
    return {resized(in.image, width, height, in.upscale_method, crop)};
  }
};

struct ImageScaleBy {
  struct In {
    Image image;
    std::string upscale_method;
    double scale_by = 1.0;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageScaleBy>("ImageScaleBy", "image/upscaling")
        .display("Upscale Image By")
        .in("image", &In::image)
        .in("upscale_method", &In::upscale_method, {.choices = kMethods})
        .in("scale_by", &In::scale_by, {.min = 0.01, .max = 8.0, .step = 0.01})
        .out(&Out::image);
  }

  static Out run(const In& in) {
    const std::int64_t width =
        std::llrint(static_cast<double>(in.image.pixels.size(2)) * in.scale_by);
    const std::int64_t height =
        std::llrint(static_cast<double>(in.image.pixels.size(1)) * in.scale_by);
    return {resized(in.image, width, height, in.upscale_method, tensor::Crop::none)};
  }
};

}  // namespace

void register_image_scaling(engine::Registry& registry) {
  registry.add<ImageScale>();
  registry.add<ImageScaleBy>();
}

}  // namespace comfy::nodes
