// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

#include <cstdint>
#include <memory>

namespace comfy::sampling {

/// A Brownian motion over a range of times that a seed alone determines: whatever is asked in
/// whatever order, increments add up. A tree of halved intervals with Brownian bridges between.
///
/// The numbers are those of torchsde's BrownianTree. Times are told apart down to 1e-6.
/// Source: Li et al. 2020 (arXiv:2001.01328), section 4; Kidger et al. 2021 (arXiv:2105.13493).
class BrownianPath {
 public:
  BrownianPath(double begin, double end, Shape shape, std::uint64_t seed);
  ~BrownianPath();

  /// W(to) - W(from), float32 on the CPU; times outside the range count as its ends. from <= to.
  Tensor increment(double from, double to);

 private:
  struct Node;
  void split(Node& node);
  Tensor value(Node& node);
  void add(Node& node, double from, double to, Tensor& sum);
  void forget_after(Node& node, double time);

  Shape shape_;
  std::uint64_t seed_;
  std::unique_ptr<Node> root_;
};

}  // namespace comfy::sampling
