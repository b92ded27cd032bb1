// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/nodes/text/letter_case.h"

#include <clocale>
#include <cwctype>
#include <utility>

namespace comfy::nodes {
namespace {

/// The C library's tables of Unicode, whatever language the program runs in.
locale_t unicode() {
  static const locale_t tables = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return tables;
}

wint_t wide(char32_t point) { return static_cast<wint_t>(point); }

bool has_case(char32_t point) {
  return ::iswupper_l(wide(point), unicode()) != 0 || ::iswlower_l(wide(point), unicode()) != 0;
}

/// Letters that become several in upper case.
constexpr std::pair<char32_t, const char32_t*> kLonger[] = {
    {U'ß', U"SS"}, {U'ŉ', U"ʼN"},  {U'ǰ', U"J̌"},   {U'ﬀ', U"FF"}, {U'ﬁ', U"FI"},
    {U'ﬂ', U"FL"}, {U'ﬃ', U"FFI"}, {U'ﬄ', U"FFL"}, {U'ﬅ', U"ST"}, {U'ﬆ', U"ST"},
};

void append_upper(std::u32string& text, char32_t point) {
  for (const auto& [letter, several] : kLonger)
    if (letter == point) {
      text += several;
      return;
    }
  text += static_cast<char32_t>(::towupper_l(wide(point), unicode()));
}

char32_t lower(char32_t point) {
  return static_cast<char32_t>(::towlower_l(wide(point), unicode()));
}

}  // namespace

std::u32string upper_case(const std::u32string& text) {
  std::u32string upper;
  for (const char32_t point : text) append_upper(upper, point);
  return upper;
}

std::u32string lower_case(const std::u32string& text) {
  std::u32string result;
  for (const char32_t point : text) result += lower(point);
  return result;
}

std::u32string title_case(const std::u32string& text) {
  std::u32string title;
  bool inside = false;
  for (const char32_t point : text) {
    if (inside) {
      title += lower(point);
    } else {
      // Of a letter that becomes several only the first is large.
      std::u32string large;
      append_upper(large, point);
      title += large[0];
      title += lower_case(large.substr(1));
    }
    inside = has_case(point);
  }
  return title;
}

bool is_blank(char32_t point) {
  return (point >= 0x09 && point <= 0x0d) || (point >= 0x1c && point <= 0x20) || point == 0x85 ||
         point == 0xa0 || point == 0x1680 || (point >= 0x2000 && point <= 0x200a) ||
         point == 0x2028 || point == 0x2029 || point == 0x202f || point == 0x205f ||
         point == 0x3000;
}

}  // namespace comfy::nodes
