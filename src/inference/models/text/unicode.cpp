// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/text/unicode.h"

#include "foundation/base/strings.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <unordered_map>

namespace comfy::models::text {
namespace {

struct KindRange {
  char32_t first, last;
  CharacterKind value;
};
struct ClassRange {
  char32_t first, last;
  std::uint8_t value;
};
/// value: cased (true), or to be looked through (false).
struct CaseRange {
  char32_t first, last;
  bool value;
};
/// Every `step`th character becomes itself plus `value`.
struct LowerRange {
  char32_t first, last;
  char32_t step;
  std::int32_t value;
};
struct Decomposition {
  char32_t composed, first, second;
  bool composes;
};

constexpr auto L = CharacterKind::letter;
constexpr auto N = CharacterKind::number;
constexpr auto C = CharacterKind::control;
constexpr auto Z = CharacterKind::space;

#include "inference/models/text/unicode_table.inc"

/// The row that holds `c`, or nothing.
template <class Range, std::size_t Size>
const Range* find_range(const Range (&table)[Size], char32_t c) {
  const Range* row =
      std::upper_bound(std::begin(table), std::end(table), c,
                       [](char32_t value, const Range& range) { return value < range.first; });
  if (row == std::begin(table)) return nullptr;
  --row;
  return c <= row->last ? row : nullptr;
}

std::uint8_t combining_class(char32_t c) {
  const ClassRange* row = find_range(kCombining, c);
  return row ? row->value : 0;
}

// Korean syllables are composed by arithmetic: leading consonant, vowel, trailing consonant.
constexpr char32_t kSyllables = 0xAC00, kLeading = 0x1100, kVowels = 0x1161, kTrailing = 0x11A7;
constexpr char32_t kLeadingCount = 19, kVowelCount = 21, kTrailingCount = 28;
constexpr char32_t kSyllableCount = kLeadingCount * kVowelCount * kTrailingCount;

void append_decomposed(std::u32string& out, char32_t c) {
  if (c >= kSyllables && c < kSyllables + kSyllableCount) {
    const char32_t index = c - kSyllables;
    out += kLeading + index / (kVowelCount * kTrailingCount);
    out += kVowels + index / kTrailingCount % kVowelCount;
    if (index % kTrailingCount != 0) out += kTrailing + index % kTrailingCount;
    return;
  }
  const auto* row = std::lower_bound(
      std::begin(kDecompositions), std::end(kDecompositions), c,
      [](const Decomposition& entry, char32_t value) { return entry.composed < value; });
  if (row == std::end(kDecompositions) || row->composed != c) {
    out += c;
    return;
  }
  append_decomposed(out, row->first);  // at most four levels deep
  if (row->second != 0) append_decomposed(out, row->second);
}

/// Accents at one letter come in the order of their classes.
void sort_accents(std::u32string& text) {
  for (auto begin = text.begin(); begin != text.end();) {
    if (combining_class(*begin) == 0) {
      ++begin;
      continue;
    }
    const auto end =
        std::find_if(begin, text.end(), [](char32_t c) { return combining_class(c) == 0; });
    std::stable_sort(
        begin, end, [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    begin = end;
  }
}

std::uint64_t pair_key(char32_t first, char32_t second) {
  return std::uint64_t{first} << 32 | second;
}

/// The character that the two make together, or 0.
char32_t compose_pair(char32_t first, char32_t second) {
  static const std::unordered_map<std::uint64_t, char32_t> pairs = [] {
    std::unordered_map<std::uint64_t, char32_t> map;
    for (const Decomposition& row : kDecompositions) {
      if (row.composes) map.emplace(pair_key(row.first, row.second), row.composed);
    }
    return map;
  }();
  if (first >= kLeading && first < kLeading + kLeadingCount && second >= kVowels &&
      second < kVowels + kVowelCount) {
    return kSyllables + ((first - kLeading) * kVowelCount + (second - kVowels)) * kTrailingCount;
  }
  const bool open_syllable = first >= kSyllables && first < kSyllables + kSyllableCount &&
                             (first - kSyllables) % kTrailingCount == 0;
  if (open_syllable && second > kTrailing && second < kTrailing + kTrailingCount)
    return first + (second - kTrailing);
  const auto found = pairs.find(pair_key(first, second));
  return found == pairs.end() ? 0 : found->second;
}

/// True when the sigma at `at` ends a word: a cased letter stands before it and none after it.
bool is_final_sigma(std::u32string_view text, std::size_t at) {
  const auto next_is_cased = [](auto begin, auto end) {
    for (; begin != end; ++begin) {
      const CaseRange* row = find_range(kCasing, *begin);
      if (!row) return false;
      if (row->value) return true;
    }
    return false;
  };
  const auto before = text.substr(0, at), after = text.substr(at + 1);
  return next_is_cased(before.rbegin(), before.rend()) &&
         !next_is_cased(after.begin(), after.end());
}

}  // namespace

CharacterKind kind_of(char32_t c) {
  const KindRange* row = find_range(kKinds, c);
  return row ? row->value : CharacterKind::other;
}

std::u32string to_code_points(std::string_view utf8) {
  std::u32string text;
  text.reserve(utf8.size());
  while (!utf8.empty()) {
    if (utf8_length(utf8) == 0) {
      utf8.remove_prefix(1);
    } else {
      text += take_code_point(utf8);
    }
  }
  return text;
}

std::string to_utf8(std::u32string_view text) {
  std::string utf8;
  for (const char32_t c : text) append_utf8(utf8, c);
  return utf8;
}

std::u32string composed(std::u32string_view text) {
  constexpr char32_t kFirstAccent =
      0x300;  // nothing below combines or decomposes into another form
  if (std::all_of(text.begin(), text.end(), [](char32_t c) { return c < kFirstAccent; }))
    return std::u32string{text};
  std::u32string apart;
  for (const char32_t c : text) append_decomposed(apart, c);
  sort_accents(apart);
  std::u32string out;
  std::size_t starter = std::u32string::npos;  // in `out`: the letter that accents may join
  int last_class = -1;                         // of what stands between it and the next character
  for (const char32_t c : apart) {
    const int its_class = combining_class(c);
    const bool reachable = starter != std::u32string::npos && last_class < its_class;
    if (const char32_t joined = reachable ? compose_pair(out[starter], c) : 0) {
      out[starter] = joined;
      continue;
    }
    if (its_class == 0) starter = out.size();
    last_class = its_class == 0 ? -1 : its_class;
    out += c;
  }
  return out;
}

std::u32string lower_case(std::u32string_view text) {
  constexpr char32_t kDottedI = 0x130, kDotAbove = 0x307, kSigma = 0x3A3, kFinalSigma = 0x3C2;
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c == kDottedI) {
      out += {U'i', kDotAbove};
    } else if (c == kSigma && is_final_sigma(text, i)) {
      out += kFinalSigma;
    } else {
      const LowerRange* row = find_range(kLower, c);
      const bool changes = row && (c - row->first) % row->step == 0;
      out += changes ? static_cast<char32_t>(static_cast<std::int64_t>(c) + row->value) : c;
    }
  }
  return out;
}

}  // namespace comfy::models::text
