// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/unet/temporal.h"

#include "inference/nn/embedding.h"
#include "inference/tensor/ops.h"

namespace comfy::models::unet {
namespace {

constexpr nn::GroupNorm::Options kNormThenSilu{.activation = nn::Activation::silu};

/// [B * T, C, H, W] -> [B, C, T, H, W].
Tensor frames_inside(const Tensor& x, std::int64_t frames) {
  return x.unflatten(0, {-1, frames}).transpose(1, 2);
}

/// [B, C, T, H, W] -> [B * T, C, H, W].
Tensor frames_outside(const Tensor& x) { return x.transpose(1, 2).flatten(0, 1); }

}  // namespace

FrameBlend::FrameBlend(const Weights& w) : mix_{w["mix_factor"].sigmoid()} {}

Tensor FrameBlend::operator()(const Tensor& spatial, const Tensor& temporal,
                              const Tensor& still_frames) const {
  Tensor alpha = mix_.reshape({1});
  if (still_frames.defined()) {
    alpha = at::where(still_frames.to(DType::Bool).flatten(), at::ones_like(alpha), alpha);
  }
  Shape per_frame(static_cast<std::size_t>(spatial.dim()), 1);
  per_frame[0] = -1;
  alpha = alpha.reshape(per_frame);
  return alpha * spatial + (1.0 - alpha) * temporal;
}

TemporalResBlock::TemporalResBlock(const Weights& w)
    : in_norm_{w / "time_stack.in_layers.0", kNormThenSilu},
      in_conv_{w / "time_stack.in_layers.2"},
      embedding_{w / "time_stack.emb_layers.1"},
      out_norm_{w / "time_stack.out_layers.0", kNormThenSilu},
      out_conv_{w / "time_stack.out_layers.3"},
      blend_{w / "time_mixer"} {}

Tensor TemporalResBlock::operator()(const Tensor& x, const BlockCall& call) const {
  const Tensor video = frames_inside(x, call.frames).contiguous();  // [B, C, T, H, W]
  const Tensor embedding = embedding_(call.embedding)
                               .unflatten(0, {-1, call.frames})
                               .transpose(1, 2)
                               .unsqueeze(-1)
                               .unsqueeze(-1);  // [B, C, T, 1, 1]
  const Tensor inner = in_conv_(in_norm_(video)) + embedding;
  const Tensor mixed = video + out_conv_(out_norm_(inner));
  return blend_(x, frames_outside(mixed), call.still_frames)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

TemporalTransformer::TemporalTransformer(const Weights& w, const Config& config)
    : position_in_{w / "time_pos_embed.0"},
      position_out_{w / "time_pos_embed.2"},
      blend_{w / "time_mixer"} {
  for (std::int64_t i = 0; i < w.count("time_stack"); ++i) {
    blocks_.emplace_back(w / "time_stack" / i, config);
  }
}

TemporalTransformer::Call TemporalTransformer::prepare(const BlockCall& call,
                                                       std::int64_t pixels) const {
  // One context a video (its first frame's), the same at every pixel.
  const Tensor first = call.context.slice(0, 0, std::nullopt, call.frames);  // [videos, L, D]
  const std::int64_t videos = first.size(0);
  const Tensor numbers = at::arange(call.frames, call.context.options()).repeat({videos});
  const Tensor embedded = nn::sinusoidal_embedding(numbers, position_in_.inputs());
  const Tensor positions = position_out_(at::silu(position_in_(embedded.to(call.context.dtype()))));
  return {.frames = call.frames,
          .context = first.repeat_interleave(pixels, 0),
          .positions = positions.unsqueeze(1),
          .still_frames = call.still_frames};
}

Tensor TemporalTransformer::mix(const Tensor& tokens, std::size_t index, const Call& call) const {
  const std::int64_t pixels = tokens.size(1);
  const Tensor moved = (tokens + call.positions)
                           .unflatten(0, {-1, call.frames})
                           .transpose(1, 2)
                           .flatten(0, 1);  // [videos * pixels, T, C]
  const Tensor mixed = blocks_[index](moved, call.context, nullptr, {});
  const Tensor back = mixed.unflatten(0, {-1, pixels}).transpose(1, 2).flatten(0, 1);
  return blend_(tokens, back, call.still_frames);
}

}  // namespace comfy::models::unet
