// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/unet/unet.h"

#include "foundation/base/error.h"
#include "inference/models/unet/temporal.h"
#include "inference/nn/embedding.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

namespace comfy::models::unet {
namespace {

std::vector<Block> read_blocks(const Weights& w, std::string_view name, const Config& config) {
  std::vector<Block> blocks;
  for (std::int64_t i = 0; i < w.count(name); ++i) {
    blocks.emplace_back(w / name / i, w.count(fmt::format("{}.{}", name, i)), config);
  }
  return blocks;
}

/// The residual for the block that is `from_end` blocks before the last of the list, added. As in
/// ComfyUI, one that does not fit is left out.
Tensor with_control(Tensor h, const std::vector<Tensor>& residuals, std::size_t from_end) {
  if (from_end >= residuals.size()) return h;
  const Tensor& residual = residuals[residuals.size() - 1 - from_end];
  if (!residual.defined() || residual.dim() != h.dim()) return h;
  for (std::int64_t d = 0; d < h.dim(); ++d) {
    if (residual.size(d) != h.size(d) && residual.size(d) != 1) return h;
  }
  return h + residual.to(h.dtype());
}

Tensor changed(Tensor h, const std::vector<BlockHooks::OnTensor>& hooks, const BlockPlace& place) {
  for (const auto& hook : hooks) h = hook(h, place);
  return h;
}

constexpr nn::GroupNorm::Options kNormThenSilu{.activation = nn::Activation::silu};

}  // namespace

UNet::UNet(const Weights& w, Config config)
    : config_{std::move(config)},
      compute_{w.precision().compute},
      time_in_{w / "time_embed.0"},
      time_out_{w / "time_embed.2"},
      label_table_{w.get("label_emb.weight")},
      input_blocks_{read_blocks(w, "input_blocks", config_)},
      output_blocks_{read_blocks(w, "output_blocks", config_)},
      out_norm_{w / "out.0", kNormThenSilu},
      out_conv_{w / "out.2"} {
  if (config_.vector_channels > 0) {
    label_in_.emplace(w / "label_emb.0.0");
    label_out_.emplace(w / "label_emb.0.2");
  }
  if (const std::int64_t layers = w.count("middle_block"); layers > 0) {
    middle_block_.emplace(w / "middle_block", layers, config_);
  }
}

Tensor UNet::time_embedding(const Tensor& timestep) const {
  const Tensor t = nn::sinusoidal_embedding(timestep, config_.model_channels).to(compute_);
  return time_out_(at::silu(time_in_(t)));
}

void UNet::check(const DiffusionCall& call) const {
  const auto fail = [](const std::string& message) {
    throw Error(Error::Kind::invalid_input, message);
  };
  if (call.x.dim() != 4 || call.x.size(1) != config_.in_channels) {
    fail(fmt::format("a latent with {} channels expected, got {}", config_.in_channels,
                     call.x.dim() > 1 ? call.x.size(1) : 0));
  }
  if (config_.context_dim > 0 &&
      (!call.context.defined() || call.context.size(-1) != config_.context_dim)) {
    fail(fmt::format(
        "text encoding of width {} expected, got {}: is the text encoder of another model?",
        config_.context_dim, call.context.defined() ? call.context.size(-1) : 0));
  }
  if (config_.vector_channels > 0 &&
      (!call.y.defined() || call.y.size(-1) != config_.vector_channels)) {
    fail(fmt::format("pooled conditioning of width {} expected, got {}", config_.vector_channels,
                     call.y.defined() ? call.y.size(-1) : 0));
  }
}

Tensor UNet::embedding(const DiffusionCall& call) const {
  Tensor emb = time_embedding(call.timestep);
  if (call.hooks != nullptr) {
    for (const auto& hook : call.hooks->emb) emb = hook(emb, config_.model_channels);
  }
  if (label_in_) emb = emb + (*label_out_)(at::silu((*label_in_)(call.y.to(compute_))));
  if (label_table_.defined() && call.y.defined()) {
    emb = emb + label_table_.index_select(0, call.y.to(DType::Long).flatten());
  }
  return at::silu(emb);
}

std::vector<Tensor> UNet::run_input_blocks(Tensor& h, const DiffusionCall& call,
                                           BlockCall& inner) const {
  std::vector<Tensor> skips;
  inner.place.kind = BlockKind::input;
  for (std::size_t i = 0; i < input_blocks_.size(); ++i) {
    inner.place.block = static_cast<std::int64_t>(i);
    h = input_blocks_[i](h, inner);
    if (call.control != nullptr) h = with_control(h, call.control->input, i);
    if (call.hooks != nullptr) h = changed(h, call.hooks->input_block, inner.place);
    skips.push_back(h);
    if (call.hooks != nullptr) h = changed(h, call.hooks->input_block_after_skip, inner.place);
  }
  return skips;
}

Tensor UNet::run_output_blocks(Tensor h, std::vector<Tensor> skips, const DiffusionCall& call,
                               BlockCall& inner) const {
  inner.place.kind = BlockKind::output;
  for (std::size_t i = 0; i < output_blocks_.size(); ++i) {
    inner.place.block = static_cast<std::int64_t>(i);
    Tensor skip = std::move(skips.back());
    skips.pop_back();
    if (call.control != nullptr) skip = with_control(skip, call.control->output, i);
    if (call.hooks != nullptr) {
      for (const auto& hook : call.hooks->output_block) {
        std::tie(h, skip) = hook(std::move(h), std::move(skip), inner.place);
      }
    }
    h = at::cat({h, skip}, 1);
    skip.reset();
    inner.upsampled_size.reset();
    if (!skips.empty()) inner.upsampled_size = {skips.back().size(2), skips.back().size(3)};
    h = output_blocks_[i](std::move(h), inner);
  }
  return h;
}

Tensor UNet::operator()(const DiffusionCall& call) const {
  check(call);
  BlockCall inner{.embedding = embedding(call),
                  .context = call.context.defined() ? call.context.to(compute_) : Tensor{},
                  .hooks = call.hooks,
                  .frames = call.frames,
                  .still_frames = call.still_frames};
  inner.place.original = call.x.sizes().vec();
  inner.place.sigmas = call.sigmas;
  inner.place.cond_or_uncond = call.cond_or_uncond;
  Tensor h = call.x.to(compute_).contiguous(at::MemoryFormat::ChannelsLast);
  std::vector<Tensor> skips = run_input_blocks(h, call, inner);
  inner.place.kind = BlockKind::middle;
  inner.place.block = 0;
  if (middle_block_) h = (*middle_block_)(std::move(h), inner);
  if (call.control != nullptr) h = with_control(h, call.control->middle, 0);
  h = run_output_blocks(std::move(h), std::move(skips), call, inner);
  return out_conv_(out_norm_(h)).to(call.x.dtype()).contiguous();
}

}  // namespace comfy::models::unet
