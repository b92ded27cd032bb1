// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::models {

/// One position of a tokenized prompt: a vocabulary entry or one row of a textual-inversion
/// embedding, with its weight and the number of the word it belongs to (0 = padding, start and
/// end).
struct Token {
  std::int64_t id = 0;
  Tensor embedding = {};  ///< [D] when this position is a learned embedding
  double weight = 1.0;
  std::int64_t word = 0;
};

/// A prompt for one encoder, cut into chunks of the encoder's length (77 for CLIP).
using TokenChunks = std::vector<std::vector<Token>>;

/// A prompt for every encoder of a model by ComfyUI's encoder key ("l", "g", "h", "t5xxl" ...).
using TokenizedPrompt = std::map<std::string, TokenChunks, std::less<>>;

/// Whether parentheses and "(word:1.2)" in a prompt set weights, or are text like any other.
enum class PromptSyntax { weighted, plain };

/// Which summary of the prompt is asked for: the one the model is trained with, or in any case that
/// before the network's text projection.
enum class Pooled { usual, unprojected };

/// What a text encoder makes of a prompt.
struct TextEncoding {
  Tensor cond;    ///< [1, L, D]
  Tensor pooled;  ///< [1, P]; empty when the encoder has none
};

/// The text side of a model: its tokenizers and encoders together, as ComfyUI's CLIP object.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;
  /// Parses weights, brackets, embeddings and chunks. Throws nothing for any UTF-8 text.
  virtual TokenizedPrompt tokenize(std::string_view text,
                                   PromptSyntax syntax = PromptSyntax::weighted) const = 0;
  /// stop_at_layer: -1 the last layer, -2 the one before ...; nothing = the model's own choice.
  /// Throws Error(invalid_input) when the chunks of one encoder differ in length.
  virtual TextEncoding encode(const TokenizedPrompt& tokens, std::optional<int> stop_at_layer,
                              Pooled pooled = Pooled::usual) const = 0;
};

}  // namespace comfy::models
