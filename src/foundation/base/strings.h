// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace comfy {

std::string_view trim(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
/// ASCII letters only; other bytes stay.
std::string lower(std::string_view text);
std::string replace_all(std::string text, std::string_view from, std::string_view to);

/// Length in bytes of the UTF-8 character at the front of `text`, or 0 when it is not valid UTF-8
/// (overlong forms and surrogates are not).
std::size_t utf8_length(std::string_view text);
bool is_utf8(std::string_view text);
/// The code point at the front of `text`, which must be valid there; `text` moves past it.
char32_t take_code_point(std::string_view& text);
void append_utf8(std::string& text, char32_t code_point);

/// Decodes %XX once; nothing when an escape is malformed.
std::optional<std::string> percent_decode(std::string_view text);
/// Encodes everything but unreserved characters (RFC 3986) and those of `keep`.
std::string percent_encode(std::string_view text, std::string_view keep = {});

}  // namespace comfy
