// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/weights.h"
#include "inference/nn/packed.h"
#include "inference/tensor/tensor.h"

namespace comfy::nn {

using checkpoint::Weights;

struct ConvOptions {
  std::int64_t stride = 1;
  /// On every side; -1 = half the kernel, which keeps the size at stride 1.
  std::int64_t padding = -1;
};

/// A two-dimensional convolution. Reads `weight` [O, I, kh, kw] and, where there is one, `bias`
/// [O].
///
/// On a CPU the weight is kept in oneDNN's blocked form only, made once; activations run
/// channels-last, so that no call converts a layout.
class Conv2d {
 public:
  explicit Conv2d(const Weights& w, ConvOptions options = {});

  /// x: [B, I, H, W] -> [B, O, H', W'], channels-last.
  Tensor operator()(const Tensor& x) const;

  std::int64_t inputs() const { return inputs_; }
  std::int64_t outputs() const { return outputs_; }

 private:
  std::int64_t inputs_ = 0, outputs_ = 0;
  /// What the weight is kept for; one form in memory.
  enum class Form {
    plain,   ///< channels-last, for any device
    packed,  ///< oneDNN's own layout
    matrix   ///< kernel of one pixel: a packed matrix over the channels
  };

  ConvolutionGeometry geometry_;
  Form form_ = Form::plain;
  Tensor weight_;
  Tensor bias_;
};

/// A three-dimensional convolution (frames, height, width) of kernel [kt, kh, kw] with half-kernel
/// padding. Reads `weight` [O, I, kt, kh, kw] and `bias`.
class Conv3d {
 public:
  explicit Conv3d(const Weights& w);
  /// x: [B, I, T, H, W] -> [B, O, T, H, W].
  Tensor operator()(const Tensor& x) const;

 private:
  Tensor weight_, bias_;
  Shape padding_;
};

}  // namespace comfy::nn
