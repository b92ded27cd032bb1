// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/text/vocabulary.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "inference/models/text/unicode.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <unordered_map>

namespace comfy::models::text {
namespace {

using Symbol = std::int32_t;

// The order of entries: 256 bytes, the same 256 ending a word, one entry a merge, two marks.
constexpr Symbol kWordEnd = 256;
constexpr Symbol kFirstMerge = 512;
constexpr std::size_t kMergeCount = kStartToken - kFirstMerge;
constexpr std::string_view kWordEndMark = "</w>";
constexpr std::u32string_view kStartText = U"<|startoftext|>", kEndText = U"<|endoftext|>";

/// The file writes bytes as printable characters: those that are printable in Latin-1 as
/// themselves, in entry order first; the others as the characters from 256 on.
struct ByteCharacters {
  std::array<char32_t, 256> of_symbol;  ///< how the file writes entry 0..255
  std::array<Symbol, 256> of_byte;      ///< the entry of a byte
};

ByteCharacters byte_characters() {
  const auto is_printable = [](int byte) {
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
  };
  ByteCharacters table{};
  Symbol next = 0;
  const auto add = [&](int byte, char32_t character) {
    table.of_symbol[static_cast<std::size_t>(next)] = character;
    table.of_byte[static_cast<std::size_t>(byte)] = next++;
  };
  for (int byte = 0; byte < 256; ++byte) {
    if (is_printable(byte)) add(byte, static_cast<char32_t>(byte));
  }
  char32_t stand_in = 256;
  for (int byte = 0; byte < 256; ++byte) {
    if (!is_printable(byte)) add(byte, stand_in++);
  }
  return table;
}

std::uint64_t pair_key(Symbol left, Symbol right) {
  return std::uint64_t(std::uint32_t(left)) << 32 | std::uint32_t(right);
}

/// The whole file, unpacked when it is gzip.
std::string read_file(const std::filesystem::path& path) {
  constexpr std::size_t kLargest = 64 << 20;
  const gzFile file = gzopen(path.c_str(), "rb");
  if (!file)
    throw Error{Error::Kind::not_found,
                fmt::format("the text encoder's vocabulary must be at \"{}\", found nothing",
                            path.string())};
  std::string text;
  std::array<char, 1 << 16> block;
  int count = 0;
  while ((count = gzread(file, block.data(), block.size())) > 0 && text.size() < kLargest) {
    text.append(block.data(), static_cast<std::size_t>(count));
  }
  const bool is_whole = gzclose(file) == Z_OK && count == 0 && !text.empty();
  if (!is_whole)
    throw Error{
        Error::Kind::invalid_input,
        fmt::format("vocabulary \"{}\" must be a whole gzip or text file, found a damaged one",
                    path.string())};
  return text;
}

bool is_cjk(char32_t c) {
  constexpr struct {
    char32_t first, last;
  } kBlocks[] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
                 {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  return std::any_of(std::begin(kBlocks), std::end(kBlocks),
                     [c](const auto& block) { return c >= block.first && c <= block.last; });
}

bool is_line_space(char32_t c) { return c == U'\t' || c == U'\n' || c == U'\r'; }

/// Drops control characters, makes every space a plain one and sets Chinese characters apart.
std::u32string cleaned(std::u32string_view text) {
  std::u32string out;
  for (const char32_t c : text) {
    if (is_line_space(c) || kind_of(c) == CharacterKind::space) {
      out += U' ';
    } else if (c == 0xFFFD || kind_of(c) == CharacterKind::control) {
      continue;
    } else if (is_cjk(c)) {
      out += {U' ', c, U' '};
    } else {
      out += c;
    }
  }
  return out;
}

bool separates_words(char32_t c) { return c == U' ' || c == 0x2028 || c == 0x2029; }

/// What one stretch of letters, one number or one stretch of other signs is, at the front of
/// `word`.
std::size_t piece_length(std::u32string_view word) {
  constexpr std::u32string_view kWhole[] = {kStartText, kEndText, U"'s",  U"'t", U"'re",
                                            U"'ve",     U"'m",    U"'ll", U"'d"};
  for (const std::u32string_view whole : kWhole) {
    if (word.starts_with(whole)) return whole.size();
  }
  const auto is_sign = [](char32_t c) {
    const CharacterKind kind = kind_of(c);
    return kind != CharacterKind::letter && kind != CharacterKind::number;
  };
  if (kind_of(word.front()) == CharacterKind::number) return 1;
  const bool signs = is_sign(word.front());
  std::size_t length = 1;
  while (length < word.size() && kind_of(word[length]) != CharacterKind::number &&
         is_sign(word[length]) == signs)
    ++length;
  return length;
}

std::optional<std::int64_t> mark_of(std::u32string_view piece) {
  if (piece == kStartText) return kStartToken;
  if (piece == kEndText) return kEndToken;
  return {};
}

}  // namespace

struct Vocabulary::Merges {
  ByteCharacters bytes = byte_characters();
  std::unordered_map<std::uint64_t, Symbol>
      joined;  ///< two entries -> the entry of their merge; lower merges first

  void read(std::string_view text);
  std::vector<Symbol> merge(std::vector<Symbol> word) const;
  void append(std::u32string_view word, std::vector<std::int64_t>& tokens) const;
};

void Vocabulary::Merges::read(std::string_view text) {
  std::unordered_map<std::string, Symbol> entries;
  for (Symbol i = 0; i < kWordEnd; ++i) {
    std::string name;
    append_utf8(name, bytes.of_symbol[static_cast<std::size_t>(i)]);
    entries.emplace(name + std::string{kWordEndMark}, i + kWordEnd);
    entries.emplace(std::move(name), i);
  }
  joined.reserve(kMergeCount);
  entries.reserve(kStartToken);
  text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);  // names the format
  for (Symbol entry = kFirstMerge; entry < kStartToken && !text.empty(); ++entry) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t space = std::min(line.find(' '), line.size());
    const auto left = entries.find(std::string{line.substr(0, space)});
    const auto right = entries.find(std::string{trim(line.substr(space))});
    if (left == entries.end() || right == entries.end()) {
      throw Error{Error::Kind::invalid_input,
                  fmt::format("line {} of the vocabulary must join two known entries, got \"{}\"",
                              entry - kFirstMerge + 2, line.substr(0, 80))};
    }
    joined.emplace(pair_key(left->second, right->second), entry);
    entries.emplace(left->first + right->first, entry);
  }
}

/// Joins the pair whose merge comes first in the file, everywhere in the word, until none is left.
std::vector<Symbol> Vocabulary::Merges::merge(std::vector<Symbol> word) const {
  constexpr Symbol kNone = std::numeric_limits<Symbol>::max();
  const auto join = [this](Symbol left, Symbol right) {
    const auto found = joined.find(pair_key(left, right));
    return found == joined.end() ? kNone : found->second;
  };
  while (true) {
    Symbol best = kNone;
    for (std::size_t i = 0; i + 1 < word.size(); ++i)
      best = std::min(best, join(word[i], word[i + 1]));
    if (best == kNone) return word;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < word.size(); ++i) {
      const bool joins = i + 1 < word.size() && join(word[i], word[i + 1]) == best;
      word[kept++] = joins ? best : word[i];
      if (joins) ++i;
    }
    word.resize(kept);
  }
}

/// word: lower case, without spaces.
void Vocabulary::Merges::append(std::u32string_view word, std::vector<std::int64_t>& tokens) const {
  while (!word.empty()) {
    const std::u32string_view piece = word.substr(0, piece_length(word));
    word.remove_prefix(piece.size());
    if (const auto mark = mark_of(piece)) {
      tokens.push_back(*mark);
      continue;
    }
    std::vector<Symbol> symbols;
    for (const char byte : to_utf8(piece))
      symbols.push_back(bytes.of_byte[static_cast<unsigned char>(byte)]);
    symbols.back() += kWordEnd;
    for (const Symbol symbol : merge(std::move(symbols))) tokens.push_back(symbol);
  }
}

Vocabulary::Vocabulary(std::filesystem::path file) : file_{std::move(file)} {}
Vocabulary::~Vocabulary() = default;

const Vocabulary::Merges& Vocabulary::merges() const {
  std::call_once(once_, [this] {
    auto merges = std::make_unique<Merges>();
    merges->read(read_file(file_));
    merges_ = std::move(merges);
  });
  return *merges_;
}

std::vector<std::int64_t> Vocabulary::encode(std::string_view text) const {
  const Merges& table = merges();
  std::vector<std::int64_t> tokens;
  const auto add_words = [&](std::u32string_view part) {
    const std::u32string clean = composed(cleaned(part));
    for (auto begin = clean.begin(); begin != clean.end();) {
      const auto end = std::find_if(begin, clean.end(), separates_words);
      if (begin != end) table.append(lower_case({begin, end}), tokens);
      begin = end == clean.end() ? end : end + 1;
    }
  };
  // The marks written out exactly cut the text before anything else happens to it.
  const std::u32string all = to_code_points(text);
  std::u32string_view rest = all;
  while (true) {
    const std::size_t start = rest.find(kStartText), end = rest.find(kEndText);
    const std::size_t at = std::min(start, end);
    add_words(rest.substr(0, at));
    if (at == rest.npos) return tokens;
    tokens.push_back(start < end ? kStartToken : kEndToken);
    rest.remove_prefix(at + (start < end ? kStartText : kEndText).size());
  }
}

std::shared_ptr<const Vocabulary> default_vocabulary() {
  static const std::shared_ptr<const Vocabulary> vocabulary = [] {
    std::error_code ignored;
    const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored);
    return std::make_shared<const Vocabulary>(program.parent_path().parent_path() /
                                              "share/comfyui/vocab/bpe_simple_vocab_16e6.txt.gz");
  }();
  return vocabulary;
}

}  // namespace comfy::models::text
