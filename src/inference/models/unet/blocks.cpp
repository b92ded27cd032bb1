// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/unet/blocks.h"

#include "foundation/base/error.h"
#include "inference/models/unet/temporal.h"
#include "inference/models/unet/transformer.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

namespace comfy::models::unet {
namespace {

constexpr nn::GroupNorm::Options kNormThenSilu{.activation = nn::Activation::silu};

}  // namespace

ResBlock::ResBlock(const Weights& w)
    : in_norm_{w / "in_layers.0", kNormThenSilu},
      in_conv_{w / "in_layers.2"},
      embedding_{w / "emb_layers.1"},
      out_norm_{w / "out_layers.0", kNormThenSilu},
      out_conv_{w / "out_layers.3"} {
  if (w.has("skip_connection.weight")) skip_.emplace(w / "skip_connection");
  if (w.has_scope("time_stack")) temporal_ = std::make_unique<TemporalResBlock>(w);
}

ResBlock::ResBlock(ResBlock&&) noexcept = default;
ResBlock::~ResBlock() = default;

Tensor ResBlock::operator()(const Tensor& x, const BlockCall& call) const {
  Tensor h = in_conv_(in_norm_(x));
  h = out_conv_(out_norm_(h, embedding_(call.embedding)));
  h.add_(skip_ ? (*skip_)(x) : x);
  return temporal_ ? (*temporal_)(h, call) : h;
}

Tensor Upsample::operator()(const Tensor& x, const BlockCall& call) const {
  const auto [height, width] =
      call.upsampled_size.value_or(std::pair{x.size(2) * 2, x.size(3) * 2});
  return conv_(at::upsample_nearest2d(x, {height, width}));
}

Block::Block(const Weights& w, std::int64_t layers, const Config& config) {
  for (std::int64_t i = 0; i < layers; ++i) {
    const Weights layer = w / i;
    if (layer.has("in_layers.0.weight")) {
      layers_.emplace_back(std::in_place_type<ResBlock>, layer);
    } else if (layer.has("proj_in.weight")) {
      layers_.emplace_back(std::make_unique<SpatialTransformer>(layer, config));
    } else if (layer.has("op.weight")) {
      layers_.emplace_back(std::in_place_type<Downsample>, layer);
    } else if (layer.has("conv.weight")) {
      layers_.emplace_back(std::in_place_type<Upsample>, layer);
    } else if (layer.has("weight")) {
      layers_.emplace_back(std::in_place_type<Stem>, layer);
    } else {
      throw Error(
          Error::Kind::invalid_input,
          fmt::format(
              "a residual block, transformer, convolution or change of size expected at \"{}\"",
              layer.scope()));
    }
  }
}

Block::Block(Block&&) noexcept = default;
Block::~Block() = default;

Tensor Block::operator()(Tensor x, BlockCall& call) const {
  for (const Layer& layer : layers_) {
    if (const auto* transformer = std::get_if<std::unique_ptr<SpatialTransformer>>(&layer)) {
      x = (**transformer)(x, call);
      ++call.place.transformer_index;
      continue;
    }
    x = std::visit(
        [&](const auto& one) -> Tensor {
          if constexpr (requires { one(x, call); }) return one(x, call);
          return x;
        },
        layer);
  }
  return x;
}

}  // namespace comfy::models::unet
