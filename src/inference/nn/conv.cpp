// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/nn/conv.h"

#include "inference/tensor/ops.h"

namespace comfy::nn {

Conv2d::Conv2d(const Weights& w, ConvOptions options) : bias_{w.get("bias")} {
  const Tensor weight = w["weight"];
  outputs_ = weight.size(0);
  inputs_ = weight.size(1);
  const auto padding = [&](std::int64_t kernel) {
    return options.padding >= 0 ? options.padding : kernel / 2;
  };
  geometry_ = {.stride = {options.stride, options.stride},
               .padding = {padding(weight.size(2)), padding(weight.size(3))}};
  if (!can_pack(weight)) {
    weight_ = weight.contiguous(at::MemoryFormat::ChannelsLast);
    return;
  }
  if (weight.size(2) * weight.size(3) == 1 && options.stride == 1 && options.padding <= 0) {
    form_ = Form::matrix;
    weight_ = pack_linear(weight.flatten(1));
  } else {
    form_ = Form::packed;
    weight_ = pack_convolution(weight, geometry_);
  }
  w.release("weight");
}

Tensor Conv2d::operator()(const Tensor& x) const {
  const Tensor input = x.contiguous(at::MemoryFormat::ChannelsLast);
  switch (form_) {
    case Form::matrix:
      return packed_linear(input.permute({0, 2, 3, 1}), weight_, bias_).permute({0, 3, 1, 2});
    case Form::packed:
      return packed_convolution(input, weight_, bias_, geometry_);
    case Form::plain:
      break;
  }
  return at::conv2d(input, weight_, bias_, geometry_.stride, geometry_.padding);
}

Conv3d::Conv3d(const Weights& w) : weight_{w["weight"]}, bias_{w.get("bias")} {
  padding_ = {weight_.size(2) / 2, weight_.size(3) / 2, weight_.size(4) / 2};
}

Tensor Conv3d::operator()(const Tensor& x) const {
  return at::conv3d(x, weight_, bias_, 1, padding_);
}

}  // namespace comfy::nn
