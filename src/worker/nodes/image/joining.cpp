// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "inference/tensor/resample.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/image/channels.h"
#include "worker/nodes/image/register.h"
#include "worker/nodes/ports.h"

#include <algorithm>
#include <array>

namespace comfy::nodes {
namespace {

using engine::node;

struct ImagePadForOutpaint {
  struct In {
    Image image;
    int left = 0;
    int top = 0;
    int right = 0;
    int bottom = 0;
    int feathering = 40;
  };
  struct Out {
    Image image;
    Mask mask;
  };

  static auto spec() {
    return node<ImagePadForOutpaint>("ImagePadForOutpaint", "image")
        .display("Pad Image for Outpainting")
        .in("image", &In::image)
        .in("left", &In::left, {.min = 0, .max = kMaxSide, .step = 8})
        .in("top", &In::top, {.min = 0, .max = kMaxSide, .step = 8})
        .in("right", &In::right, {.min = 0, .max = kMaxSide, .step = 8})
        .in("bottom", &In::bottom, {.min = 0, .max = kMaxSide, .step = 8})
        .in("feathering", &In::feathering, {.min = 0, .max = kMaxSide, .step = 1})
        .out(&Out::image)
        .out(&Out::mask);
  }

  static Out run(const In& in) {
    const Tensor& pixels = in.image.pixels;
    const std::int64_t height = pixels.size(1), width = pixels.size(2);
    const std::int64_t all_high = height + in.top + in.bottom,
                       all_wide = width + in.left + in.right;
    Tensor padded = at::full({pixels.size(0), all_high, all_wide, pixels.size(3)}, 0.5);
    padded.narrow(1, in.top, height).narrow(2, in.left, width).copy_(pixels);
    Tensor mask = at::ones({all_high, all_wide});
    mask.narrow(0, in.top, height).narrow(1, in.left, width).copy_(feather(in, height, width));
    return {{padded}, {mask.unsqueeze(0)}};
  }

  /// 1 at the borders that are painted on, 0 from `feathering` pixels inwards: [height, width].
  static Tensor feather(const In& in, std::int64_t height, std::int64_t width) {
    const std::int64_t reach = in.feathering;
    if (reach == 0 || reach * 2 >= height || reach * 2 >= width) return at::zeros({height, width});
    const Tensor y = at::arange(height, at::kDouble), x = at::arange(width, at::kDouble);
    const auto nearest = [](const Tensor& place, std::int64_t size, int before, int after) {
      const auto far = at::full_like(place, static_cast<double>(size));
      return at::minimum(before != 0 ? place : far,
                         after != 0 ? static_cast<double>(size) - place : far);
    };
    const Tensor distance = at::minimum(nearest(y, height, in.top, in.bottom).unsqueeze(1),
                                        nearest(x, width, in.left, in.right).unsqueeze(0));
    const Tensor share =
        at::clamp_min(static_cast<double>(reach) - distance, 0) / static_cast<double>(reach);
    return (share * share).to(at::kFloat);
  }
};

struct ImageStitch {
  struct In {
    Image image1;
    std::string direction = "right";
    bool match_image_size = true;
    int spacing_width = 0;
    std::string spacing_color = "white";
    std::optional<Image> image2;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageStitch>("ImageStitch", "image/transform")
        .display("Image Stitch")
        .doc("Puts two pictures side by side, or one below the other.")
        .module("comfy_extras.nodes_images")
        .in("image1", &In::image1)
        .in("direction", &In::direction, {.choices = {"right", "down", "left", "up"}})
        .in("match_image_size", &In::match_image_size)
        .in("spacing_width", &In::spacing_width, {.min = 0, .max = 1024, .step = 2})
        .in("spacing_color", &In::spacing_color,
            {.choices = {"white", "black", "red", "green", "blue"}})
        .in("image2", &In::image2)
        .out(&Out::image);
  }

  static Out run(const In& in) {
    if (!in.image2) return {in.image1};
    const bool sideways = in.direction == "right" || in.direction == "left";
    const std::int64_t along = sideways ? 2 : 1, across = sideways ? 1 : 2;
    const std::int64_t count = std::max(in.image1.pixels.size(0), in.image2->pixels.size(0));
    Tensor first = with_last_repeated(in.image1.pixels, count);
    Tensor second = with_last_repeated(in.image2->pixels, count);
    if (in.match_image_size) {
      second = scaled_to(second, first, sideways);
    } else {
      const double border = in.spacing_color == "white" ? 1.0 : 0.0;
      const std::int64_t size = std::max(first.size(across), second.size(across));
      first = centred(first, across, size, border);
      second = centred(second, across, size, border);
    }
    const std::int64_t channels = std::max(first.size(3), second.size(3));
    std::vector<Tensor> parts{with_channels(first, channels), with_channels(second, channels)};
    if (in.direction == "left" || in.direction == "up") std::swap(parts[0], parts[1]);
    if (in.spacing_width > 0) {
      std::vector<std::int64_t> sizes = parts[0].sizes().vec();
      sizes[static_cast<std::size_t>(across)] = std::max(first.size(across), second.size(across));
      sizes[static_cast<std::size_t>(along)] = in.spacing_width + in.spacing_width % 2;
      parts.insert(parts.begin() + 1, plain(sizes, in.spacing_color));
    }
    return {{at::cat(parts, along)}};
  }

  static Tensor with_last_repeated(const Tensor& pixels, std::int64_t count) {
    const std::int64_t missing = count - pixels.size(0);
    if (missing <= 0) return pixels;
    return at::cat({pixels, pixels.narrow(0, pixels.size(0) - 1, 1).repeat({missing, 1, 1, 1})});
  }

  /// The second picture as high (or as wide) as the first, in its own proportions.
  static Tensor scaled_to(const Tensor& second, const Tensor& first, bool sideways) {
    const double aspect = static_cast<double>(second.size(2)) / static_cast<double>(second.size(1));
    const std::int64_t height =
        sideways ? first.size(1)
                 : static_cast<std::int64_t>(static_cast<double>(first.size(2)) / aspect);
    const std::int64_t width =
        sideways ? static_cast<std::int64_t>(static_cast<double>(first.size(1)) * aspect)
                 : first.size(2);
    return tensor::resample(second.movedim(-1, 1), width, height, "lanczos", tensor::Crop::none)
        .movedim(1, -1);
  }

  static Tensor centred(const Tensor& pixels, std::int64_t dimension, std::int64_t size,
                        double border) {
    const std::int64_t missing = size - pixels.size(dimension);
    if (missing == 0) return pixels;
    std::vector<std::int64_t> sizes = pixels.sizes().vec();
    sizes[static_cast<std::size_t>(dimension)] = size;
    Tensor padded = at::full(sizes, border, pixels.options());
    padded.narrow(dimension, missing / 2, pixels.size(dimension)).copy_(pixels);
    return padded;
  }

  static Tensor plain(const std::vector<std::int64_t>& sizes, const std::string& name) {
    std::array<double, 4> colour{0, 0, 0, 1};
    if (name == "white") colour = {1, 1, 1, 1};
    if (name == "red") colour[0] = 1;
    if (name == "green") colour[1] = 1;
    if (name == "blue") colour[2] = 1;
    Tensor pixels = at::zeros(sizes);
    for (std::int64_t channel = 0; channel < std::min<std::int64_t>(sizes[3], 4); ++channel)
      pixels.select(-1, channel).fill_(colour[static_cast<std::size_t>(channel)]);
    return pixels;
  }
};

}  // namespace

void register_image_joining(engine::Registry& registry) {
  registry.add<ImagePadForOutpaint>();
  registry.add<ImageStitch>();
}

}  // namespace comfy::nodes
