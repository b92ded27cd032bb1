// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/latent_format.h"

#include "inference/tensor/ops.h"

namespace comfy::models {
namespace {

/// One number a channel, shaped to broadcast over [B, C, ...].
Tensor per_channel(std::span<const double> values, const Tensor& like) {
  Shape shape(static_cast<std::size_t>(like.dim()), 1);
  shape[1] = static_cast<std::int64_t>(values.size());
  return at::tensor(at::ArrayRef<double>(values.data(), values.size()), like.options())
      .reshape(shape);
}

}  // namespace

Tensor LatentFormat::process_in(const Tensor& latent) const {
  if (!mean.empty()) return (latent - per_channel(mean, latent)) * scale / per_channel(std, latent);
  return shift == 0.0 ? latent * scale : (latent - shift) * scale;
}

Tensor LatentFormat::process_out(const Tensor& latent) const {
  if (!mean.empty()) return latent * per_channel(std, latent) / scale + per_channel(mean, latent);
  return shift == 0.0 ? latent / scale : latent / scale + shift;
}

Tensor LatentFormat::preview(const Tensor& latent) const {
  if (rgb.empty() || latent.dim() < 4) return {};
  Tensor first = latent.select(0, 0);                // [C, H, W] or [C, T, H, W]
  if (first.dim() == 4) first = first.select(1, 0);  // the first frame
  const Tensor colours = at::tensor(
      at::ArrayRef<float>(rgb.front().data(), rgb.size() * rgb.front().size()), DType::Float);
  const Tensor matrix = colours.reshape({-1, 3}).to(latent.device()).t();  // [3, C]
  Tensor bias;
  if (rgb_bias)
    bias = at::tensor(at::ArrayRef<float>(*rgb_bias), latent.options().dtype(DType::Float));
  const Tensor picture = at::linear(first.permute({1, 2, 0}).to(DType::Float), matrix, bias);
  return picture.add(1.0).div(2.0).clamp(0.0, 1.0).mul(255.0).to(DType::Byte).cpu();
}

std::span<const LatentFormat* const> latent_formats() {
  using namespace latents;
  static constexpr const LatentFormat* kAll[] = {
      &kPlain, &kSd15, &kSdxl,        &kPlayground25, &kSdX4, &kCascadePrior, &kCascadeB,
      &kSd3,   &kFlux, &kStableAudio, &kMochi,        &kLtxv, &kHunyuanVideo, &kWan21};
  return kAll;
}

const LatentFormat* find_latent_format(std::string_view name) {
  for (const LatentFormat* format : latent_formats()) {
    if (format->name == name) return format;
  }
  return nullptr;
}

}  // namespace comfy::models
