// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/image/register.h"
#include "worker/nodes/ports.h"

#include <array>
#include <numbers>

namespace comfy::nodes {
namespace {

using engine::node;

/// The eight neighbours of a place, from the right one on clockwise: row, column in a 3x3 kernel.
constexpr std::array<std::array<std::int64_t, 2>, 8> kNeighbours{
    {{1, 2}, {2, 2}, {2, 1}, {2, 0}, {1, 0}, {0, 0}, {0, 1}, {0, 2}}};

/// One kernel for each neighbour: `centre` in the middle, `value` there. [8, 1, 3, 3]
Tensor towards_neighbours(double centre, double value) {
  Tensor kernels = at::zeros({8, 1, 3, 3});
  kernels.select(2, 1).select(2, 1).fill_(centre);
  for (std::size_t i = 0; i < kNeighbours.size(); ++i)
    kernels[static_cast<std::int64_t>(i)][0][kNeighbours[i][0]][kNeighbours[i][1]].fill_(value);
  return kernels;
}

/// grey: [B, 1, H, W], with a bell of five pixels and sigma 1.
Tensor smoothed(const Tensor& grey) {
  Tensor bell = (-(at::arange(5, at::kFloat) - 2).pow(2) / 2).exp();
  bell = bell / bell.sum();
  const Tensor padded = at::reflection_pad2d(grey, {2, 2, 2, 2});
  return at::conv2d(at::conv2d(padded, bell.view({1, 1, 1, 5})), bell.view({1, 1, 5, 1}));
}

struct Gradient {
  Tensor magnitude, direction;  ///< direction: eighths of a turn, rounded
};

Gradient gradient_of(const Tensor& picture) {
  constexpr double kAlmostNothing = 1e-6;
  const Tensor across = at::tensor({-1.F, 0.F, 1.F, -2.F, 0.F, 2.F, -1.F, 0.F, 1.F});
  const Tensor sobel = across.view({1, 1, 3, 3});
  const Tensor padded = at::replication_pad2d(picture, {1, 1, 1, 1});
  const Tensor x = at::conv2d(padded, sobel);
  const Tensor y = at::conv2d(padded, sobel.transpose(2, 3).contiguous());
  const Tensor degrees = at::atan2(y, x) * 180.0 / std::numbers::pi;
  return {(x * x + y * y + kAlmostNothing).sqrt(), (degrees / 45).round()};
}

/// Only where it is larger than both neighbours across the edge.
Tensor thinned(const Gradient& gradient) {
  const Tensor rises =
      at::conv2d(gradient.magnitude, towards_neighbours(1, -1), {}, 1, at::IntArrayRef{1});
  const auto along = [&](double turn) {
    return rises.gather(1, (gradient.direction + turn).remainder(8).to(at::kLong));
  };
  return gradient.magnitude * (at::minimum(along(0), along(4)) > 0);
}

/// Strong edges, and weak ones that hang together with them.
Tensor connected(const Tensor& magnitude, double low, double high) {
  Tensor strong = (magnitude > high).to(at::kFloat);
  Tensor weak = (magnitude > low).to(at::kFloat) * (1 - strong);
  const Tensor all_around = towards_neighbours(0, 1);
  while (true) {
    const Tensor beside =
        (at::conv2d(strong, all_around, {}, 1, at::IntArrayRef{1}) > 0).any(1, true);
    const Tensor joined = weak * beside;
    if (joined.count_nonzero().item<std::int64_t>() == 0) return strong;
    strong = strong + joined;
    weak = weak - joined;
  }
}

struct Canny {
  struct In {
    Image image;
    double low_threshold = 0.4;
    double high_threshold = 0.8;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<Canny>("Canny", "image/preprocessors")
        .module("comfy_extras.nodes_canny")
        .schema()
        .in("image", &In::image)
        .in("low_threshold", &In::low_threshold, {.min = 0.01, .max = 0.99, .step = 0.01})
        .in("high_threshold", &In::high_threshold, {.min = 0.01, .max = 0.99, .step = 0.01})
        .out(&Out::image);
  }

  /// Canny 1986, as the library that ComfyUI uses computes it.
  static Out run(const In& in) {
    const Tensor pixels = in.image.pixels.movedim(-1, 1);
    const Tensor weights = at::tensor({0.299F, 0.587F, 0.114F}).view({1, 3, 1, 1});
    const Tensor grey =
        pixels.size(1) == 1 ? pixels : (pixels.narrow(1, 0, 3) * weights).sum(1, true);
    const Tensor edges =
        connected(thinned(gradient_of(smoothed(grey))), in.low_threshold, in.high_threshold);
    return {{edges.repeat({1, 3, 1, 1}).movedim(1, -1)}};
  }
};

}  // namespace

void register_edge_detection(engine::Registry& registry) { registry.add<Canny>(); }

}  // namespace comfy::nodes
