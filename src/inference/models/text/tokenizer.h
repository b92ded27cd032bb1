// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/models/text/vocabulary.h"
#include "inference/models/text_encoder.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace comfy::models::text {

/// Finds the rows [N, D] (or [D]) of a textual inversion by the name written after "embedding:".
/// encoder: "clip_l", "clip_g", "clip_h"; width: D that is expected. An empty tensor when there is
/// none of that name. The name comes from a client: look only inside the embedding folders.
using EmbeddingLookup =
    std::function<Tensor(std::string_view name, std::string_view encoder, std::int64_t width)>;

/// How prompts are cut for one encoder.
struct TokenizerOptions {
  std::string_view encoder;  ///< for the embedding lookup
  std::int64_t width;        ///< of the encoder's embeddings
  std::int64_t length = 77;  ///< of a chunk, with start and end
  std::int64_t pad = kEndToken;
};

/// Turns prompts into chunks of tokens, each chunk beginning and ending with its marks and padded
/// to full length. Words of fewer than eight tokens are not cut in two.
class Tokenizer {
 public:
  Tokenizer(std::shared_ptr<const Vocabulary> vocabulary, EmbeddingLookup embeddings,
            TokenizerOptions options);

  /// At least one chunk for any text. Unknown embeddings are left out with a warning in the log.
  TokenChunks operator()(std::string_view text, PromptSyntax syntax = PromptSyntax::weighted) const;
  /// What an empty prompt of that many tokens is.
  std::vector<Token> empty_chunk(std::int64_t length) const;

 private:
  /// Tokens that should stay together, all of one weight.
  using Group = std::vector<Token>;

  void add_words(std::string_view text, double weight, std::vector<Group>& groups) const;
  std::string add_embedding(std::string_view reference, double weight,
                            std::vector<Group>& groups) const;
  TokenChunks pack(std::vector<Group> groups) const;
  Token mark(std::int64_t id) const { return {.id = id}; }

  std::shared_ptr<const Vocabulary> vocabulary_;
  EmbeddingLookup embeddings_;
  TokenizerOptions options_;
};

}  // namespace comfy::models::text
