// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/quantize.h"

#include "foundation/base/error.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/image/register.h"
#include "worker/nodes/image/saving.h"
#include "worker/nodes/ports.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace comfy::nodes {
namespace {

using engine::node;

/// Bayer's thresholds around 0 in a square of `side`, a power of two, pixels.
Tensor bayer_matrix(std::int64_t side) {
  if (side == 1) return at::zeros({1, 1});
  const auto cells = static_cast<double>(side * side);
  const Tensor quarter = bayer_matrix(side / 2) * cells;
  return at::cat({at::cat({quarter - 1.5, quarter + 0.5}, 1),
                  at::cat({quarter + 1.5, quarter - 0.5}, 1)},
                 0) /
         cells;
}

/// The picture moved up and down by the matrix, so that its colours alternate where they lie
/// between two of the palette. picture: [H, W, 3], 0..255.
Tensor ordered(const Tensor& picture, std::int64_t side, std::size_t colours) {
  const double spread = 2.0 * 256 / static_cast<double>(colours);
  const Tensor matrix = bayer_matrix(side) * spread + 0.5;
  const std::int64_t height = picture.size(0), width = picture.size(1);
  const Tensor tiled = matrix.repeat({(height + side - 1) / side, (width + side - 1) / side})
                           .slice(0, 0, height)
                           .slice(1, 0, width);
  return (picture + tiled.unsqueeze(-1)).clamp(0, 255).floor();
}

Tensor tensor_of(const media::Picture& picture) {
  const Tensor bytes = at::empty({picture.height, picture.width, 3}, at::kByte);
  std::copy(picture.pixels.begin(), picture.pixels.end(), bytes.mutable_data_ptr<std::uint8_t>());
  return bytes.to(at::kFloat);
}

/// values: [H, W, 3], whole numbers 0..255.
media::Picture picture_of(const Tensor& values) {
  const Tensor bytes = values.to(at::kByte).contiguous();
  media::Picture picture = media::Picture::make(media::Mode::rgb, static_cast<int>(values.size(1)),
                                                static_cast<int>(values.size(0)));
  const auto* data = bytes.const_data_ptr<std::uint8_t>();
  std::copy(data, data + bytes.numel(), picture.pixels.begin());
  return picture;
}

/// One picture in so many colours: [H, W, 3], 0..1.
Tensor quantized(const Image& images, std::int64_t index, int colours, std::string_view dither) {
  media::Picture picture = picture_at(images, index);
  const std::vector<media::Colour> palette = media::median_cut(picture, colours);
  constexpr std::string_view kBayer = "bayer-";
  if (dither.starts_with(kBayer)) {
    const std::int64_t side = std::stoll(std::string{dither.substr(kBayer.size())});
    picture = picture_of(ordered(tensor_of(picture), side, palette.size()));
  }
  const auto kind =
      dither == "floyd-steinberg" ? media::Dither::floyd_steinberg : media::Dither::none;
  return tensor_of(media::in_palette(picture, palette, kind)) / 255;
}

struct ImageQuantize {
  struct In {
    Image image;
    int colors = 256;
    std::string dither;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ImageQuantize>("ImageQuantize", "image/postprocessing")
        .module("comfy_extras.nodes_post_processing")
        .schema()
        .in("image", &In::image)
        .in("colors", &In::colors, {.min = 1, .max = 256, .step = 1})
        .in("dither", &In::dither,
            {.choices = {"none", "floyd-steinberg", "bayer-2", "bayer-4", "bayer-8", "bayer-16"}})
        .out(&Out::image);
  }

  static Out run(const In& in) {
    const Tensor& pixels = in.image.pixels;
    if (pixels.size(-1) != 3)
      throw Error(Error::Kind::invalid_input,
                  fmt::format("expected pictures of 3 channels, got {}", pixels.size(-1)));
    std::vector<Tensor> pictures;
    for (std::int64_t i = 0; i < pixels.size(0); ++i)
      pictures.push_back(quantized(in.image, i, in.colors, in.dither));
    return {{at::stack(pictures)}};
  }
};

}  // namespace

void register_quantization(engine::Registry& registry) { registry.add<ImageQuantize>(); }

}  // namespace comfy::nodes
