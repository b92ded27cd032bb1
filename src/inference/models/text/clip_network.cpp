// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/text/clip_network.h"

#include "foundation/base/error.h"
#include "inference/nn/attention.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

namespace comfy::models::text {
namespace {

/// The table in the type it is stored in: only the rows of a prompt need be converted.
Tensor stored_table(const Weights& w) {
  checkpoint::Precision precision = w.precision();
  precision.compute = precision.storage.value_or(w.dtype("weight"));
  return w.with(precision)["weight"];
}

/// bool [B, 1, L, L]: what each position may look at, itself and before, and never what is hidden.
Tensor visible_positions(const Tensor& attended) {
  const std::int64_t batch = attended.size(0), length = attended.size(1);
  const Tensor before = at::ones({length, length}, attended.options()).tril();
  return before.logical_and(attended.reshape({batch, 1, 1, length}));
}

}  // namespace

ClipBlock::ClipBlock(const Weights& w, std::int64_t heads, ActivationFunction activation)
    : heads_{heads},
      activation_{activation},
      norm1_{w / "layer_norm1"},
      norm2_{w / "layer_norm2"},
      query_{w / "self_attn.q_proj"},
      key_{w / "self_attn.k_proj"},
      value_{w / "self_attn.v_proj"},
      out_{w / "self_attn.out_proj"},
      widen_{w / "mlp.fc1"},
      narrow_{w / "mlp.fc2"} {}

Tensor ClipBlock::operator()(const Tensor& x, const Tensor& visible) const {
  const Tensor input = norm1_(x);
  const Tensor q = query_(input), k = key_(input), v = value_(input);
  const Tensor seen = visible.defined() ? nn::attention(q, k, v, heads_, visible)
                                        : nn::causal_attention(q, k, v, heads_);
  const Tensor attended = x + out_(seen);
  return attended + narrow_(activation_(widen_(norm2_(attended))));
}

ClipNetwork::ClipNetwork(const Weights& w, std::int64_t heads,
                         ClipBlock::ActivationFunction activation)
    : token_table_{stored_table(w / "text_model.embeddings.token_embedding")},
      positions_{w["text_model.embeddings.position_embedding.weight"]},
      final_norm_{w / "text_model.final_layer_norm"} {
  if (heads < 1 || width() % heads != 0) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("heads of the text encoder \"{}\" must divide its width of {}, got {}",
                            w.scope(), width(), heads)};
  }
  const std::int64_t count = w.count("text_model.encoder.layers");
  for (std::int64_t i = 0; i < count; ++i)
    blocks_.emplace_back(w / "text_model.encoder.layers" / i, heads, activation);
  if (w.has("text_projection.weight")) projection_.emplace(w / "text_projection");
}

Tensor ClipNetwork::embed(const Tensor& ids) const {
  if (ids.numel() > 0 && (ids.min().item<std::int64_t>() < 0 ||
                          ids.max().item<std::int64_t>() >= token_table_.size(0))) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("tokens must lie below {}, got {}", token_table_.size(0),
                            ids.max().item<std::int64_t>())};
  }
  return token_table_.index_select(0, ids.to(token_table_.device())).to(positions_.scalar_type());
}

ClipOutput ClipNetwork::operator()(const ClipInput& input,
                                   std::optional<std::int64_t> layer) const {
  const std::int64_t length = input.embeddings.size(1);
  Tensor x = input.embeddings + positions_.narrow(0, 0, length);
  const Tensor visible = input.attended.defined() ? visible_positions(input.attended) : Tensor{};
  ClipOutput output;
  for (std::int64_t i = 0; i < layers(); ++i) {
    x = blocks_[static_cast<std::size_t>(i)](x, visible);
    if (i == layer) output.hidden = x;
  }
  output.last = final_norm_(x);
  const Tensor row = input.last_token.reshape({-1, 1, 1}).expand({-1, 1, width()});
  output.pooled = output.last.gather(1, row).squeeze(1);
  return output;
}

Tensor ClipNetwork::project(const Tensor& pooled) const {
  return projection_ ? (*projection_)(pooled) : at::zeros_like(pooled);
}

}  // namespace comfy::models::text
