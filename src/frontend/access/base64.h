// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace comfy::access {

/// The bytes of a base64 text with its padding (RFC 4648, section 4). Nothing for any other
/// character, padding that is missing or wrong, and bits that no encoder leaves behind.
std::optional<std::string> decode_base64(std::string_view text);
/// The same for the alphabet of URLs (section 5), without padding.
std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace comfy::access
