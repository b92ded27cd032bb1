// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/nn/packed.h"

#include "inference/tensor/ops.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <array>
#include <optional>

namespace comfy::nn {
namespace {

using Scalars = torch::List<std::optional<at::Scalar>>;
using PackLinear = Tensor(const Tensor&, std::optional<std::int64_t>);
using RunLinear = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&,
                         std::string_view, Scalars, std::optional<std::string_view>);
using PackConvolution = Tensor(const Tensor&, at::IntArrayRef, at::IntArrayRef, at::IntArrayRef,
                               std::int64_t, at::OptionalIntArrayRef);
using RunConvolution = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&,
                              at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, std::int64_t,
                              std::string_view, Scalars, std::optional<std::string_view>);

template <class Signature>
c10::TypedOperatorHandle<Signature> find(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

std::optional<Tensor> optional(const Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

constexpr std::array<std::int64_t, 2> kNoDilation{1, 1};
constexpr const char* kNoActivation = "none";

}  // namespace

bool can_pack(const Tensor& weight) {
  return weight.is_cpu() && weight.numel() > 0 && at::hasMKLDNN() &&
         at::globalContext().userEnabledMkldnn() &&
         (weight.scalar_type() == DType::Float || weight.scalar_type() == DType::BFloat16);
}

Tensor pack_linear(const Tensor& weight) {
  static const auto kPack = find<PackLinear>("mkldnn::_reorder_linear_weight");
  return kPack.call(weight.contiguous(), std::nullopt);
}

Tensor packed_linear(const Tensor& x, const Tensor& packed, const Tensor& bias) {
  static const auto kRun = find<RunLinear>("mkldnn::_linear_pointwise");
  return kRun.call(x, packed, optional(bias), kNoActivation, Scalars{}, std::nullopt);
}

Tensor pack_convolution(const Tensor& weight, const ConvolutionGeometry& geometry) {
  static const auto kPack = find<PackConvolution>("mkldnn::_reorder_convolution_weight");
  return kPack.call(weight.contiguous(at::MemoryFormat::ChannelsLast), geometry.padding,
                    geometry.stride, kNoDilation, 1, std::nullopt);
}

Tensor packed_convolution(const Tensor& x, const Tensor& packed, const Tensor& bias,
                          const ConvolutionGeometry& geometry) {
  static const auto kRun = find<RunConvolution>("mkldnn::_convolution_pointwise");
  return kRun.call(x, packed, optional(bias), geometry.padding, geometry.stride, kNoDilation, 1,
                   kNoActivation, Scalars{}, std::nullopt);
}

}  // namespace comfy::nn
