// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string_view>

namespace comfy::paths {

/// What a file's suffix says it holds: "image", "video", "audio", "model" (a 3D model), or "" for
/// anything else. The first half of its MIME type, as ComfyUI sorts files for menus.
std::string_view content_kind(std::string_view filename);

}  // namespace comfy::paths
