// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/unet/transformer.h"

#include "inference/models/unet/temporal.h"
#include "inference/nn/activation.h"
#include "inference/nn/attention.h"
#include "inference/tensor/ops.h"

namespace comfy::models::unet {
namespace {

/// The replacement for this very transformer block, else for its whole block, else none.
const BlockHooks::Attention* find_replacement(
    const std::map<BlockAddress, BlockHooks::Attention>& replacements, const BlockPlace& place) {
  auto found = replacements.find({place.kind, place.block, place.transformer});
  if (found == replacements.end()) found = replacements.find({place.kind, place.block, {}});
  return found == replacements.end() ? nullptr : &found->second;
}

Tensor changed(Tensor x, const std::vector<BlockHooks::OnTensor>& hooks, const BlockPlace& place) {
  for (const auto& hook : hooks) x = hook(x, place);
  return x;
}

}  // namespace

Attention::Attention(const Weights& w, const Config& config)
    : to_q_{w / "to_q"},
      to_k_{w / "to_k"},
      to_v_{w / "to_v"},
      to_out_{w / "to_out.0"},
      heads_{config.heads_for(to_q_.outputs())} {}

Tensor Attention::operator()(const AttentionInputs& inputs) const {
  return to_out_(
      nn::attention(to_q_(inputs.n), to_k_(inputs.context), to_v_(inputs.value), heads_));
}

Tensor Attention::operator()(const AttentionInputs& inputs,
                             const BlockHooks::Attention& replacement,
                             const BlockPlace& place) const {
  return to_out_(replacement(to_q_(inputs.n), to_k_(inputs.context), to_v_(inputs.value), place));
}

Tensor FeedForward::operator()(const Tensor& x) const { return out_(nn::geglu(in_(x))); }

TransformerBlock::TransformerBlock(const Weights& w, const Config& config)
    : norm1_{w / "norm1"},
      attn1_{w / "attn1", config},
      attn1_reads_context_{w.dim("attn1.to_k.weight", 1) != w.dim("attn1.to_q.weight", 1)},
      norm3_{w / "norm3"},
      feed_forward_{w / "ff"} {
  if (w.has_scope("ff_in")) {
    norm_in_.emplace(w / "norm_in");
    feed_forward_in_.emplace(w / "ff_in");
  }
  if (w.has_scope("attn2")) {
    norm2_.emplace(w / "norm2");
    attn2_.emplace(w / "attn2", config);
  }
}

Tensor TransformerBlock::self_attention(const Tensor& n, const Tensor& context,
                                        const BlockHooks* hooks, const BlockPlace& place) const {
  const Tensor& source = attn1_reads_context_ ? context : n;
  AttentionInputs inputs{n, source, source};
  if (hooks == nullptr) return attn1_(inputs);
  for (const auto& hook : hooks->attn1) inputs = hook(std::move(inputs), place);
  const auto* replacement = find_replacement(hooks->attn1_replace, place);
  return changed(replacement != nullptr ? attn1_(inputs, *replacement, place) : attn1_(inputs),
                 hooks->attn1_output, place);
}

Tensor TransformerBlock::cross_attention(const Tensor& n, const Tensor& context,
                                         const BlockHooks* hooks, const BlockPlace& place) const {
  AttentionInputs inputs{n, context, context};
  if (hooks == nullptr) return (*attn2_)(inputs);
  for (const auto& hook : hooks->attn2) inputs = hook(std::move(inputs), place);
  const auto* replacement = find_replacement(hooks->attn2_replace, place);
  return changed(
      replacement != nullptr ? (*attn2_)(inputs, *replacement, place) : (*attn2_)(inputs),
      hooks->attn2_output, place);
}

Tensor TransformerBlock::operator()(Tensor x, const Tensor& context, const BlockHooks* hooks,
                                    BlockPlace place) const {
  place.heads = attn1_.heads();
  place.head_dim = attn1_.head_dim();
  if (feed_forward_in_) x = (*feed_forward_in_)((*norm_in_)(x)).add_(x);
  x = x + self_attention(norm1_(x), context, hooks, place);
  if (hooks != nullptr) x = changed(std::move(x), hooks->middle, place);
  if (attn2_) x = x + cross_attention((*norm2_)(x), context, hooks, place);
  return feed_forward_(norm3_(x)).add_(x);
}

SpatialTransformer::SpatialTransformer(const Weights& w, const Config& config)
    : norm_{w / "norm", {.epsilon = 1e-6}}, proj_in_{w / "proj_in"}, proj_out_{w / "proj_out"} {
  for (std::int64_t i = 0; i < w.count("transformer_blocks"); ++i) {
    blocks_.emplace_back(w / "transformer_blocks" / i, config);
  }
  if (w.has_scope("time_stack")) temporal_ = std::make_unique<TemporalTransformer>(w, config);
}

SpatialTransformer::~SpatialTransformer() = default;

Tensor SpatialTransformer::operator()(const Tensor& x, const BlockCall& call) const {
  const std::int64_t height = x.size(2);
  const std::int64_t width = x.size(3);
  BlockPlace place = call.place;
  place.activations = x.sizes().vec();
  // Channels-last maps are sequences of pixels already: these are views.
  Tensor tokens = proj_in_(norm_(x).permute({0, 2, 3, 1}).flatten(1, 2));  // [B, H*W, C]
  const TemporalTransformer::Call frames =
      temporal_ ? temporal_->prepare(call, height * width) : TemporalTransformer::Call{};
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    place.transformer = static_cast<std::int64_t>(i);
    tokens = blocks_[i](tokens, call.context, call.hooks, place);
    if (temporal_) tokens = temporal_->mix(tokens, i, frames);
  }
  Tensor out = proj_out_(tokens).unflatten(1, {height, width}).permute({0, 3, 1, 2});
  return out.add_(x);
}

}  // namespace comfy::models::unet
