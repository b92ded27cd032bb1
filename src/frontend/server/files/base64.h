// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace comfy::server {

/// The bytes of a base64 text (RFC 4648, with or without its padding; line breaks are skipped).
/// Nothing when it holds other characters.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace comfy::server
