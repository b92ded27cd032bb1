// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/vae/taesd.h"

#include "foundation/base/error.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

namespace comfy::models::vae {
namespace {

std::int64_t last_number(const Weights& w) {
  std::int64_t last = -1;
  for (const std::string& name : w.names()) {
    last = std::max<std::int64_t>(last, std::strtoll(name.c_str(), nullptr, 10));
  }
  return last;
}

}  // namespace

TinyStack::Residual::Residual(const Weights& w)
    : conv1{w / "conv.0"}, conv2{w / "conv.2"}, conv3{w / "conv.4"} {
  if (w.has("skip.weight")) skip.emplace(w / "skip");
}

TinyStack::TinyStack(const Weights& w, Half half) {
  // Layers without tensors leave a gap in the numbers: the decoder's first (a clamp, see decode()),
  // the activation after its first convolution, and enlargements.
  const std::int64_t first = half == Half::decoder ? 1 : 0;
  for (std::int64_t i = first; i <= last_number(w); ++i) {
    const Weights layer = w / i;
    if (layer.has("conv.0.weight")) {
      layers_.emplace_back(std::in_place_type<Residual>, layer);
    } else if (layer.has("weight")) {
      // The encoder halves the size in its convolutions that have no bias.
      const bool halves = half == Half::encoder && !layer.has("bias");
      layers_.emplace_back(std::in_place_type<nn::Conv2d>, layer,
                           nn::ConvOptions{.stride = halves ? 2 : 1});
    } else if (i == 2) {
      layers_.emplace_back(Relu{});
    } else {
      layers_.emplace_back(Upsample{});
    }
  }
}

Tensor TinyStack::operator()(Tensor x) const {
  for (const Layer& layer : layers_) {
    if (const auto* conv = std::get_if<nn::Conv2d>(&layer)) {
      x = (*conv)(x);
    } else if (const auto* block = std::get_if<Residual>(&layer)) {
      Tensor h = block->conv1(x);
      h = block->conv2(at::relu_(h));
      h = block->conv3(at::relu_(h)).add_(block->skip ? (*block->skip)(x) : x);
      x = at::relu_(h);
    } else if (std::holds_alternative<Relu>(layer)) {
      x = at::relu(x);
    } else {
      x = at::upsample_nearest2d(x, {x.size(2) * 2, x.size(3) * 2});
    }
  }
  return x;
}

TinyAutoencoder::TinyAutoencoder(const Weights& w) {
  if (w.has_scope("taesd_decoder")) {
    decoder_.emplace(w / "taesd_decoder", TinyStack::Half::decoder);
    latent_channels_ = w.dim("taesd_decoder.1.weight", 1);
  }
  if (w.has_scope("taesd_encoder")) encoder_.emplace(w / "taesd_encoder", TinyStack::Half::encoder);
  if (w.has("vae_scale")) scale_ = w["vae_scale"].item<double>();
  if (w.has("vae_shift")) shift_ = w["vae_shift"].item<double>();
}

Tensor TinyAutoencoder::decode(const Tensor& latent) const {
  if (!decoder_) {
    throw Error(Error::Kind::unsupported,
                "unsupported: this tiny autoencoder's file holds no decoder");
  }
  const Tensor scaled = (latent - shift_) * scale_;
  const Tensor limited = at::tanh(scaled / 3.0) * 3.0;
  return (*decoder_)(limited).sub(0.5).mul(2.0).contiguous();
}

Tensor TinyAutoencoder::encode(const Tensor& pixels) const {
  if (!encoder_) {
    throw Error(Error::Kind::unsupported,
                "unsupported: this tiny autoencoder's file holds no encoder");
  }
  return ((*encoder_)(pixels * 0.5 + 0.5) / scale_ + shift_).contiguous();
}

}  // namespace comfy::models::vae
