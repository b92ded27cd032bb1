// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string_view>

namespace comfy::server {

/// The media type of a file that this server itself ships (page, help, templates), by its suffix;
/// application/octet-stream when unknown. Never for what users can write: see files/.
std::string_view shipped_content_type(std::string_view filename);

/// Whether compression pays for that media type: text, scripts, JSON, SVG, WebAssembly.
bool is_compressible(std::string_view content_type);

}  // namespace comfy::server
