// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/vae/autoencoder_kl.h"

#include "foundation/base/error.h"
#include "inference/nn/attention.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

#include <algorithm>

namespace comfy::models::vae {
namespace {

constexpr nn::GroupNorm::Options kNorm{.epsilon = 1e-6};
constexpr nn::GroupNorm::Options kNormThenSilu{.epsilon = 1e-6, .activation = nn::Activation::silu};

std::optional<nn::Conv2d> optional_conv(const Weights& w, std::string_view name) {
  if (!(w / name).has("weight")) return {};
  return std::optional<nn::Conv2d>(std::in_place, w / name);
}

/// w: the scope of one level, with "block.N" and, on some, "attn.N".
Level read_level(const Weights& w) {
  Level level;
  for (std::int64_t i = 0; i < w.count("block"); ++i) {
    level.blocks.emplace_back(w / "block" / i);
    const Weights attention = w / "attn" / i;
    level.attentions.emplace_back();
    if (attention.has("q.weight")) level.attentions.back().emplace(attention);
  }
  return level;
}

Tensor run_blocks(const Level& level, Tensor h) {
  for (std::size_t i = 0; i < level.blocks.size(); ++i) {
    h = level.blocks[i](h);
    if (level.attentions[i]) h = (*level.attentions[i])(h);
  }
  return h;
}

[[noreturn]] void refuse_half(const char* missing) {
  throw Error(Error::Kind::unsupported,
              fmt::format("unsupported: this autoencoder's file holds no {}", missing));
}

}  // namespace

ResBlock::ResBlock(const Weights& w)
    : norm1_{w / "norm1", kNormThenSilu},
      conv1_{w / "conv1"},
      norm2_{w / "norm2", kNormThenSilu},
      conv2_{w / "conv2"},
      shortcut_{optional_conv(w, "nin_shortcut")} {}

Tensor ResBlock::operator()(const Tensor& x) const {
  Tensor h = conv1_(norm1_(x));
  h = conv2_(norm2_(h));
  return h.add_(shortcut_ ? (*shortcut_)(x) : x);
}

PixelAttention::PixelAttention(const Weights& w)
    : norm_{w / "norm", kNorm}, q_{w / "q"}, k_{w / "k"}, v_{w / "v"}, out_{w / "proj_out"} {}

Tensor PixelAttention::operator()(const Tensor& x) const {
  const Tensor pixels = norm_(x).permute({0, 2, 3, 1}).flatten(1, 2);  // [B, H*W, C]
  const Tensor h = out_(nn::attention(q_(pixels), k_(pixels), v_(pixels), 1));
  return h.unflatten(1, {x.size(2), x.size(3)}).permute({0, 3, 1, 2}) + x;
}

Middle::Middle(const Weights& w) : block1_{w / "block_1"}, block2_{w / "block_2"} {
  if ((w / "attn_1").has("q.weight")) attention_.emplace(w / "attn_1");
}

Tensor Middle::operator()(const Tensor& x) const {
  Tensor h = block1_(x);
  if (attention_) h = (*attention_)(h);
  return block2_(h);
}

Decoder::Decoder(const Weights& w)
    : conv_in_{w / "conv_in"},
      middle_{w / "mid"},
      norm_out_{w / "norm_out", kNormThenSilu},
      conv_out_{w / "conv_out"} {
  for (std::int64_t i = w.count("up"); i-- > 0;) {
    Level level = read_level(w / "up" / i);
    level.resize = optional_conv(w / "up" / i, "upsample.conv");
    levels_.push_back(std::move(level));
  }
}

std::int64_t Decoder::upscale() const {
  std::int64_t factor = 1;
  for (const Level& level : levels_) factor *= level.resize ? 2 : 1;
  return factor;
}

Tensor Decoder::operator()(const Tensor& latent) const {
  Tensor h = middle_(conv_in_(latent));
  for (const Level& level : levels_) {
    h = run_blocks(level, std::move(h));
    if (level.resize) {
      h = (*level.resize)(at::upsample_nearest2d(h, {h.size(2) * 2, h.size(3) * 2}));
    }
  }
  return conv_out_(norm_out_(h));
}

Encoder::Encoder(const Weights& w)
    : conv_in_{w / "conv_in"},
      middle_{w / "mid"},
      norm_out_{w / "norm_out", kNormThenSilu},
      conv_out_{w / "conv_out"} {
  for (std::int64_t i = 0; i < w.count("down"); ++i) {
    Level level = read_level(w / "down" / i);
    const Weights resize = w / "down" / i / "downsample.conv";
    if (resize.has("weight"))
      level.resize.emplace(resize, nn::ConvOptions{.stride = 2, .padding = 0});
    levels_.push_back(std::move(level));
  }
}

Tensor Encoder::operator()(const Tensor& pixels) const {
  Tensor h = conv_in_(pixels);
  for (const Level& level : levels_) {
    h = run_blocks(level, std::move(h));
    // One column and row of zeros after the last, none before the first.
    if (level.resize) h = (*level.resize)(at::constant_pad_nd(h, {0, 1, 0, 1}));
  }
  return conv_out_(norm_out_(middle_(h)));
}

AutoencoderKl::AutoencoderKl(const Weights& w)
    : quant_{optional_conv(w, "quant_conv")}, post_quant_{optional_conv(w, "post_quant_conv")} {
  if (w.has("decoder.conv_in.weight")) {
    decoder_.emplace(w / "decoder");
    latent_channels_ = post_quant_ ? post_quant_->inputs() : decoder_->latent_channels();
    downscale_ = decoder_->upscale();
  }
  if (w.has("encoder.conv_in.weight")) encoder_.emplace(w / "encoder");
}

Tensor AutoencoderKl::decode(const Tensor& latent) const {
  if (!decoder_) refuse_half("decoder");
  const Tensor h = post_quant_ ? (*post_quant_)(latent) : latent;
  return (*decoder_)(h).contiguous();
}

Tensor AutoencoderKl::moments(const Tensor& pixels) const {
  if (!encoder_) refuse_half("encoder");
  const Tensor h = (*encoder_)(pixels);
  return quant_ ? (*quant_)(h) : h;
}

Tensor AutoencoderKl::encode(const Tensor& pixels) const {
  return moments(pixels).chunk(2, 1)[0].contiguous();
}

}  // namespace comfy::models::vae
