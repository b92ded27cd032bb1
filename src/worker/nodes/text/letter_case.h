// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

namespace comfy::nodes {

/// Letters of any script in upper and lower case, as Python's str.upper and str.lower; the letters
/// that become several (such as the German sharp s) are those of Latin script.
std::u32string upper_case(const std::u32string& text);
std::u32string lower_case(const std::u32string& text);
/// The first letter of each run of letters in upper case, the rest in lower case (str.title).
std::u32string title_case(const std::u32string& text);
/// Whether Python's str.strip takes the character away.
bool is_blank(char32_t point);

}  // namespace comfy::nodes
