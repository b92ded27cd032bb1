// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/brownian.h"

#include "inference/sampling/seed_sequence.h"
#include "inference/tensor/ops.h"
#include "inference/tensor/random.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

namespace comfy::sampling {

namespace {

constexpr std::size_t kPoolSize = 24;

/// To six decimals, correctly rounded.
double rounded(double time) { return std::strtod(fmt::format("{:.6f}", time).c_str(), nullptr); }

Tensor normal_numbers(std::uint32_t seed, const Shape& shape) {
  return tensor::Generator{seed}.randn(shape);
}

}  // namespace

/// An interval of time. Its halves share one bridge, whose noise belongs to the parent.
struct BrownianPath::Node {
  double begin = 0.0;
  double end = 0.0;
  Node* parent = nullptr;
  std::uint64_t place = 0;  ///< among the intervals of its depth
  std::uint64_t depth = 0;
  Tensor increment = {};
  std::unique_ptr<Node> left = {};
  std::unique_ptr<Node> right = {};
};

BrownianPath::BrownianPath(double begin, double end, Shape shape, std::uint64_t seed)
    : shape_{std::move(shape)}, seed_{seed}, root_{std::make_unique<Node>()} {
  root_->begin = rounded(begin);
  root_->end = rounded(end);
  const std::uint32_t first = seed_sequence(seed, {}, kPoolSize, 1)[0];
  root_->increment = normal_numbers(first, shape_) * std::sqrt(end - begin);
}

BrownianPath::~BrownianPath() = default;

Tensor BrownianPath::increment(double from, double to) {
  from = std::clamp(from, root_->begin, root_->end);
  to = std::clamp(to, root_->begin, root_->end);
  Tensor sum;
  if (from < to) add(*root_, rounded(from), rounded(to), sum);
  forget_after(*root_, to);  // sampling goes down; what lies above comes back at its price
  return sum.defined() ? sum : at::zeros(shape_, at::kFloat);
}

void BrownianPath::forget_after(Node& node, double time) {
  if (!node.left) return;
  forget_after(*node.left, time);
  forget_after(*node.right, time);
  if (node.right->begin < time || node.right->left) return;
  node.right->increment.reset();
  if (node.left->begin < time || node.left->left) return;
  node.left.reset();
  node.right.reset();
}

void BrownianPath::split(Node& node) {
  const double middle = rounded(0.5 * (node.end + node.begin));
  const auto half = [&](double begin, double end, std::uint64_t side) {
    auto child = std::make_unique<Node>();
    child->begin = begin;
    child->end = end;
    child->parent = &node;
    child->place = 2 * node.place + side;
    child->depth = node.depth + 1;
    return child;
  };
  node.left = half(node.begin, middle, 0);
  node.right = half(middle, node.end, 1);
}

Tensor BrownianPath::value(Node& node) {
  if (node.increment.defined()) return node.increment;
  Node& parent = *node.parent;
  const Tensor whole = value(parent);
  const std::array<std::uint64_t, 2> key{parent.place, parent.depth};
  const Tensor noise = normal_numbers(seed_sequence(seed_, key, kPoolSize, 1)[0], shape_);
  const double scale = 1 / (parent.end - parent.begin);
  const double before = parent.left->end - parent.begin;
  const double after = parent.end - parent.left->end;
  const Tensor left = whole * before * scale + noise * std::sqrt(before * after * scale);
  parent.left->increment = left;
  parent.right->increment = whole - left;
  return node.increment;
}

void BrownianPath::add(Node& node, double from, double to, Tensor& sum) {
  if (from == node.begin && to == node.end) {
    const Tensor part = value(node);
    sum = sum.defined() ? sum + part : part;
    return;
  }
  if (!node.left) split(node);
  const double middle = node.left->end;
  if (from < middle) add(*node.left, from, std::min(to, middle), sum);
  if (to > middle) add(*node.right, std::max(from, middle), to, sum);
}

}  // namespace comfy::sampling
