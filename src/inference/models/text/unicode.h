// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>

namespace comfy::models::text {

/// What a character is to the tokenizer: general categories L*, N*, C* (also unassigned), Zs, and
/// the rest.
enum class CharacterKind { other, letter, number, control, space };

/// Source: the Unicode character database, as Python's unicodedata has it.
CharacterKind kind_of(char32_t c);

/// Bytes that are no valid UTF-8 are left out.
std::u32string to_code_points(std::string_view utf8);
std::string to_utf8(std::u32string_view text);

/// Normalization form C: characters and their accents composed where a composed character exists.
/// Source: Unicode Standard Annex 15.
std::u32string composed(std::u32string_view text);

/// Lower case as Python's str.lower: of a whole word, because a final sigma has a form of its own.
std::u32string lower_case(std::u32string_view text);

}  // namespace comfy::models::text
