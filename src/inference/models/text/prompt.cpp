// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/text/prompt.h"

#include "foundation/base/strings.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace comfy::models::text {
namespace {

constexpr int kMaxNesting = 500;  // ComfyUI fails near 1000
constexpr double kGroupWeight = 1.1;

bool is_escape(std::string_view text, std::size_t at) {
  return text[at] == '\\' && at + 1 < text.size() && (text[at + 1] == '(' || text[at + 1] == ')');
}

bool is_escaped(std::string_view text, std::size_t at) { return at > 0 && is_escape(text, at - 1); }

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_escape(text, i)) out += text[i];
  }
  return out;
}

/// Cuts at the outermost groups; a group keeps its parentheses. Depth may fall below zero after a
/// ')' without a partner, and then the next '(' only makes up for it: ComfyUI counts so.
std::vector<std::string_view> outermost_pieces(std::string_view text) {
  std::vector<std::string_view> pieces;
  std::size_t begin = 0;
  std::int64_t depth = 0;
  const auto cut = [&](std::size_t end) {
    if (end > begin) pieces.push_back(text.substr(begin, end - begin));
    begin = end;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_escape(text, i)) {
      ++i;
    } else if (text[i] == '(') {
      if (depth++ == 0) cut(i);
    } else if (text[i] == ')') {
      if (--depth == 0) cut(i + 1);
    }
  }
  cut(text.size());
  return pieces;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// A number as Python's float() reads it: spaces around, a sign, single underscores between digits.
std::optional<double> python_number(std::string_view text) {
  text = trim(text);
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool between_digits =
        i > 0 && i + 1 < text.size() && is_digit(text[i - 1]) && is_digit(text[i + 1]);
    if (text[i] != '_' || !between_digits) plain += text[i];
  }
  std::string_view number = plain;
  const bool negative = number.starts_with('-');
  if (negative || number.starts_with('+')) number.remove_prefix(1);
  if (number.empty() || number.starts_with('-') || number.find('(') != number.npos) return {};
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (end != number.data() + number.size() || error == std::errc::invalid_argument) return {};
  if (error == std::errc::result_out_of_range) {
    const bool tiny = number.find("e-") != number.npos || number.find("E-") != number.npos;
    value = tiny ? 0.0 : std::numeric_limits<double>::infinity();
  }
  return negative ? -value : value;
}

void add_pieces(std::string_view text, double weight, int depth, std::vector<WeightedText>& out) {
  for (const std::string_view piece : outermost_pieces(text)) {
    const bool is_group = piece.size() >= 2 && piece.front() == '(' && piece.back() == ')' &&
                          !is_escaped(piece, piece.size() - 1);
    if (!is_group || depth == kMaxNesting) {
      out.push_back({unescaped(piece), weight});
      continue;
    }
    std::string_view inside = piece.substr(1, piece.size() - 2);
    double inner_weight = weight * kGroupWeight;
    const std::size_t colon = inside.rfind(':');
    if (colon != inside.npos && colon > 0) {
      if (const auto stated = python_number(inside.substr(colon + 1))) {
        inner_weight = *stated;
        inside = inside.substr(0, colon);
      }
    }
    add_pieces(inside, inner_weight, depth + 1, out);
  }
}

}  // namespace

std::vector<WeightedText> parse_prompt(std::string_view text, PromptSyntax syntax) {
  if (syntax == PromptSyntax::plain) return {{unescaped(text), 1.0}};
  std::vector<WeightedText> out;
  add_pieces(text, 1.0, 0, out);
  return out;
}

}  // namespace comfy::models::text
