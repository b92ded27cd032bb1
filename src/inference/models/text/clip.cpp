// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/text/clip.h"

#include "foundation/base/error.h"
#include "foundation/base/json.h"
#include "inference/models/text/clip_network.h"
#include "inference/models/text/log.h"
#include "inference/nn/activation.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

namespace comfy::models::text {
namespace {

/// Heads are no tensor: the file's comfy.config may state them, else they are 64 wide.
std::int64_t heads_of(const ClipEncoder& encoder, const Weights& w) {
  const std::int64_t width = w.dim("text_model.embeddings.token_embedding.weight", 1);
  const std::int64_t usual = std::max(width / 64, std::int64_t{1});
  const std::string config = w.metadata("comfy.config");
  return config.empty() ? usual
                        : parse_json(config).int_or(fmt::format("{}_heads", encoder.scope), usual);
}

Weights in_stored_precision(const Weights& w) {
  checkpoint::Precision precision = w.precision();
  if (!precision.storage) precision.storage = DType::Half;
  return w.with(precision);
}

/// One encoder of a model, ready to run.
class Encoder {
 public:
  /// w: the scope that holds "text_model".
  Encoder(const ClipEncoder& row, const Weights& w, const ClipOptions& options);

  std::string_view key() const { return row_.key; }
  TokenChunks tokenize(std::string_view text, PromptSyntax syntax) const {
    return tokenizer_(text, syntax);
  }
  TextEncoding encode(const TokenChunks& chunks, std::optional<int> stop_at_layer,
                      Pooled pooled) const;

 private:
  ClipInput prepare(const TokenChunks& chunks) const;
  ClipOutput run(const TokenChunks& chunks, std::optional<int> stop_at_layer) const;

  ClipEncoder row_;
  ClipNetwork network_;
  Tokenizer tokenizer_;
};

Encoder::Encoder(const ClipEncoder& row, const Weights& w, const ClipOptions& options)
    : row_{row},
      network_{w, heads_of(row, w),
               row.activation == ClipActivation::gelu ? nn::gelu : nn::quick_gelu},
      tokenizer_{options.vocabulary,
                 options.embeddings,
                 {.encoder = row.scope,
                  .width = network_.width(),
                  .length = network_.length(),
                  .pad = row.pad}} {
  if (network_.length() < 3) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("the text encoder \"{}\" must take 3 tokens or more, got {}", w.scope(),
                            network_.length())};
  }
}

/// Which positions the text takes: all up to its first end mark, and learned embeddings.
std::vector<std::uint8_t> attended_positions(const std::vector<Token>& chunk) {
  std::vector<std::uint8_t> attended;
  bool ended = false;
  for (const Token& token : chunk) {
    const bool is_learned = token.embedding.defined();
    attended.push_back(is_learned || !ended);
    ended = ended || (!is_learned && token.id == kEndToken);
  }
  return attended;
}

/// Leaves out learned embeddings of another width; padding at the end makes up for them.
std::vector<Token> without_misfits(const std::vector<Token>& chunk, std::int64_t width,
                                   std::int64_t pad) {
  std::vector<Token> fitting;
  for (const Token& token : chunk) {
    if (!token.embedding.defined() || token.embedding.size(-1) == width) {
      fitting.push_back(token);
    } else {
      log.warn("an embedding must be {} wide for this text encoder, got {}; it is left out", width,
               token.embedding.size(-1));
    }
  }
  fitting.resize(chunk.size(), Token{.id = pad});
  return fitting;
}

ClipInput Encoder::prepare(const TokenChunks& chunks) const {
  const auto batch = static_cast<std::int64_t>(chunks.size());
  const auto length = static_cast<std::int64_t>(chunks[0].size());
  std::vector<std::int64_t> ids, last;
  std::vector<std::uint8_t> attended;
  std::vector<std::pair<std::size_t, Tensor>> learned;  // place in the flattened batch, row
  for (const std::vector<Token>& chunk : chunks) {
    const std::vector<Token> fitting = without_misfits(chunk, network_.width(), row_.pad);
    const std::vector<std::uint8_t> seen = attended_positions(fitting);
    for (const Token& token : fitting) {
      if (token.embedding.defined()) learned.emplace_back(ids.size(), token.embedding);
      ids.push_back(token.embedding.defined() ? 0 : token.id);
    }
    attended.insert(attended.end(), seen.begin(), seen.end());
    last.push_back(std::count(seen.begin(), seen.end(), 1) - 1);
  }
  const Tensor embeddings = network_.embed(at::tensor(ids));  // [B * L, D]
  for (const auto& [place, row] : learned)
    embeddings[static_cast<std::int64_t>(place)].copy_(row.flatten());
  Tensor visible;
  if (row_.padding_mask == PaddingMask::on) {
    visible = at::tensor(attended).to(embeddings.device(), at::kBool).reshape({batch, length});
  }
  return {.embeddings = embeddings.reshape({batch, length, -1}),
          .last_token = at::tensor(last).to(embeddings.device()),
          .attended = visible};
}

/// last: the encoding proper, by the layer that was asked for.
ClipOutput Encoder::run(const TokenChunks& chunks, std::optional<int> stop_at_layer) const {
  const std::int64_t layer = stop_at_layer.value_or(row_.layer), layers = network_.layers();
  if (layer >= 0 || -layer > layers) return network_(prepare(chunks), {});
  ClipOutput output = network_(prepare(chunks), layers + layer);
  output.last =
      row_.hidden_norm == HiddenNorm::applied ? network_.final_norm(output.hidden) : output.hidden;
  return output;
}

/// Moves each token's vector away from what an empty prompt has there, by the token's weight.
Tensor weighted(const Tensor& cond, const Tensor& empty, const TokenChunks& chunks) {
  std::vector<float> by_token;
  for (const std::vector<Token>& chunk : chunks) {
    for (const Token& token : chunk) by_token.push_back(static_cast<float>(token.weight));
  }
  const Tensor weights =
      at::tensor(by_token).to(cond.device()).reshape({cond.size(0), cond.size(1), 1});
  return at::where(weights == 1.0, cond, (cond - empty) * weights + empty);
}

TextEncoding Encoder::encode(const TokenChunks& chunks, std::optional<int> stop_at_layer,
                             Pooled pooled) const {
  const bool has_weights = std::any_of(chunks.begin(), chunks.end(), [](const auto& chunk) {
    return std::any_of(chunk.begin(), chunk.end(),
                       [](const Token& token) { return token.weight != 1.0; });
  });
  const std::size_t length = chunks.empty() ? 2 : chunks[0].size();
  for (const auto& chunk : chunks) {
    if (chunk.size() != length || length == 0 ||
        length > static_cast<std::size_t>(network_.length())) {
      throw Error{Error::Kind::invalid_input,
                  fmt::format("chunks of a prompt must have one length of 1 to {}, got {} and {}",
                              network_.length(), length, chunk.size())};
    }
  }
  TokenChunks batch = chunks;
  if (has_weights || chunks.empty())
    batch.push_back(tokenizer_.empty_chunk(static_cast<std::int64_t>(length)));
  const ClipOutput output = run(batch, stop_at_layer);
  const std::int64_t count = std::max(static_cast<std::int64_t>(chunks.size()), std::int64_t{1});
  Tensor cond = output.last.narrow(0, 0, count).to(at::kFloat);
  if (has_weights) cond = weighted(cond, output.last.narrow(0, count, 1).to(at::kFloat), chunks);
  const bool is_projected = pooled == Pooled::usual && row_.projection == Projection::applied;
  const Tensor summary = output.pooled.narrow(0, 0, 1);
  return {.cond = cond.reshape({1, -1, cond.size(-1)}),
          .pooled = (is_projected ? network_.project(summary) : summary).to(at::kFloat)};
}

/// The encoders of a model together.
class ClipTextEncoder : public TextEncoder {
 public:
  ClipTextEncoder(const ClipModel& model, const Weights& weights, const ClipOptions& options) {
    const Weights stored = in_stored_precision(weights);
    for (const ClipEncoder& row : model.encoders)
      encoders_.push_back(
          std::make_unique<Encoder>(row, stored / row.scope / "transformer", options));
  }

  TokenizedPrompt tokenize(std::string_view text, PromptSyntax syntax) const override {
    TokenizedPrompt prompt;
    for (const auto& encoder : encoders_)
      prompt.emplace(encoder->key(), encoder->tokenize(text, syntax));
    return prompt;
  }

  TextEncoding encode(const TokenizedPrompt& tokens, std::optional<int> stop_at_layer,
                      Pooled pooled) const override {
    std::vector<Tensor> conds;
    TextEncoding last;
    std::int64_t shortest = std::numeric_limits<std::int64_t>::max();
    for (const auto& encoder : encoders_) {
      const auto found = tokens.find(encoder->key());
      last = encoder->encode(found == tokens.end() ? TokenChunks{} : found->second, stop_at_layer,
                             pooled);
      conds.push_back(last.cond);
      shortest = std::min(shortest, last.cond.size(1));
    }
    for (Tensor& cond : conds) cond = cond.narrow(1, 0, shortest);
    return {.cond = conds.size() == 1 ? conds[0] : at::cat(conds, -1), .pooled = last.pooled};
  }

 private:
  std::vector<std::unique_ptr<Encoder>> encoders_;
};

}  // namespace

std::unique_ptr<TextEncoder> build_clip(const ClipModel& model, const Weights& weights,
                                        const ClipOptions& options) {
  return std::make_unique<ClipTextEncoder>(model, weights, options);
}

checkpoint::LoraKeys clip_lora_keys(const ClipModel& model, const Weights& weights) {
  checkpoint::LoraKeys keys;
  for (const ClipEncoder& encoder : model.encoders) {
    keys.add(
        checkpoint::text_encoder_lora_keys(weights / encoder.scope / "transformer", encoder.lora));
  }
  return keys;
}

}  // namespace comfy::models::text
