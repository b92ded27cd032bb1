// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/weights.h"
#include "inference/tensor/tensor.h"

namespace comfy::nn {

using checkpoint::Weights;

/// What follows a normalization in the same pass.
enum class Activation { none, silu };

/// Normalizes groups of channels, then scales and shifts each channel. Reads `weight` and `bias`
/// [C]. Source: Wu and He 2018 (arXiv:1803.08494).
class GroupNorm {
 public:
  struct Options {
    std::int64_t groups = 32;
    double epsilon = 1e-5;
    Activation activation = Activation::none;
  };
  explicit GroupNorm(const Weights& w, Options options);

  /// x: [B, C, ...] -> the same shape and layout.
  Tensor operator()(const Tensor& x) const { return (*this)(x, {}); }
  /// Of x + offset, offset: [B, C] or empty; the sum costs no pass of its own on a CPU.
  Tensor operator()(const Tensor& x, const Tensor& offset) const;

 private:
  Tensor normalize_map(const Tensor& x, const Tensor& offset) const;

  Options options_;
  Tensor weight_, bias_;
};

/// Normalizes the last dimension. Reads `weight` and `bias` [D], both optional.
class LayerNorm {
 public:
  explicit LayerNorm(const Weights& w, double epsilon = 1e-5);
  /// x: [..., D] -> [..., D].
  Tensor operator()(const Tensor& x) const;

 private:
  double epsilon_;
  Tensor weight_, bias_;
};

}  // namespace comfy::nn
