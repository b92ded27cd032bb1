// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/text/tokenizer.h"

#include "foundation/base/strings.h"
#include "inference/models/text/log.h"
#include "inference/models/text/prompt.h"
#include "inference/tensor/ops.h"

#include <algorithm>
#include <string>

namespace comfy::models::text {
namespace {

constexpr std::string_view kEmbedding = "embedding:";
constexpr std::size_t kLongWord = 8;  // tokens; shorter words are never cut in two
constexpr std::string_view kSpaces = " \t\r\n\f\v";

/// Cuts before each "embedding:" that follows a space or a line break, which is dropped.
std::vector<std::string_view> split_at_embeddings(std::string_view text) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  for (std::size_t at = text.find(kEmbedding); at != text.npos;
       at = text.find(kEmbedding, at + 1)) {
    if (at == 0 || (text[at - 1] != ' ' && text[at - 1] != '\n') || at - 1 < begin) continue;
    parts.push_back(text.substr(begin, at - 1 - begin));
    begin = at;
  }
  parts.push_back(text.substr(begin));
  std::erase(parts, std::string_view{});
  return parts;
}

std::string_view trim_commas(std::string_view text) {
  const std::size_t first = text.find_first_not_of(',');
  return first == text.npos ? std::string_view{}
                            : text.substr(first, text.find_last_not_of(',') - first + 1);
}

/// Words with one space between them.
std::string single_spaced(std::string_view text) {
  std::string out;
  while (!(text = trim(text)).empty()) {
    const std::size_t end = std::min(text.find_first_of(kSpaces), text.size());
    out += out.empty() ? "" : " ";
    out += text.substr(0, end);
    text.remove_prefix(end);
  }
  return out;
}

}  // namespace

Tokenizer::Tokenizer(std::shared_ptr<const Vocabulary> vocabulary, EmbeddingLookup embeddings,
                     TokenizerOptions options)
    : vocabulary_{std::move(vocabulary)}, embeddings_{std::move(embeddings)}, options_{options} {}

/// Adds the rows of the embedding that `reference` ("name more words") begins with, when it is
/// found. Returns the text behind it.
std::string Tokenizer::add_embedding(std::string_view reference, double weight,
                                     std::vector<Group>& groups) const {
  reference = trim(reference);
  const std::size_t name_end = std::min(reference.find_first_of(kSpaces), reference.size());
  const std::string_view name = reference.substr(0, name_end);
  std::string rest = single_spaced(reference.substr(name_end));
  const auto look_up = [this](std::string_view wanted) {
    return wanted.empty() ? Tensor{} : embeddings_(wanted, options_.encoder, options_.width);
  };
  Tensor rows = look_up(name);
  const std::string_view bare = trim_commas(name);
  if (!rows.defined() && bare.size() < name.size()) {
    rows = look_up(bare);
    // As many characters as the bare name has are taken for it, even where a comma stands before
    // it.
    rest = std::string{name.substr(bare.size())} + " " + rest;
  }
  if (!rows.defined()) {
    log.warn("embedding \"{}\" does not exist and is left out", name);
    return rest;
  }
  Group& group = groups.emplace_back();
  const Tensor table = rows.dim() == 1 ? rows.unsqueeze(0) : rows.reshape({-1, rows.size(-1)});
  for (std::int64_t row = 0; row < table.size(0); ++row)
    group.push_back({.embedding = table[row], .weight = weight});
  return rest;
}

void Tokenizer::add_words(std::string_view text, double weight, std::vector<Group>& groups) const {
  for (const std::string_view part : split_at_embeddings(text)) {
    std::string words{part};
    if (embeddings_ && part.starts_with(kEmbedding)) {
      words = add_embedding(part.substr(kEmbedding.size()), weight, groups);
      if (words.empty()) continue;
    }
    Group& group = groups.emplace_back();
    for (const std::int64_t id : vocabulary_->encode(words))
      group.push_back({.id = id, .weight = weight});
  }
}

TokenChunks Tokenizer::pack(std::vector<Group> groups) const {
  const auto full = static_cast<std::size_t>(options_.length) - 1;  // room for the end mark
  TokenChunks chunks{{mark(kStartToken)}};
  const auto close = [&] {
    chunks.back().push_back(mark(kEndToken));
    chunks.back().resize(static_cast<std::size_t>(options_.length), mark(options_.pad));
  };
  std::int64_t word = 0;
  for (Group& group : groups) {
    ++word;
    const bool may_be_cut = group.size() >= kLongWord;
    for (auto next = group.begin(); next != group.end();) {
      const auto left = static_cast<std::size_t>(group.end() - next);
      const std::size_t room = full - chunks.back().size();
      const bool is_cut = may_be_cut || chunks.back().size() == 1;
      const std::size_t count = left <= room ? left : is_cut ? room : 0;
      for (const auto end = next + static_cast<std::ptrdiff_t>(count); next != end; ++next) {
        next->word = word;
        chunks.back().push_back(std::move(*next));
      }
      if (next != group.end()) {
        close();
        chunks.push_back({mark(kStartToken)});
      }
    }
  }
  close();
  return chunks;
}

TokenChunks Tokenizer::operator()(std::string_view text, PromptSyntax syntax) const {
  std::vector<Group> groups;
  for (const WeightedText& part : parse_prompt(text, syntax))
    add_words(part.text, part.weight, groups);
  return pack(std::move(groups));
}

std::vector<Token> Tokenizer::empty_chunk(std::int64_t length) const {
  std::vector<Token> chunk{mark(kStartToken), mark(kEndToken)};
  chunk.resize(static_cast<std::size_t>(std::max(length, std::int64_t{2})), mark(options_.pad));
  return chunk;
}

}  // namespace comfy::models::text
