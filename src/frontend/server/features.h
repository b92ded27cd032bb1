// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"
#include "frontend/server/settings.h"

#include <string_view>

namespace comfy::server {

/// The version of ComfyUI whose interface this server offers; clients compare it.
inline constexpr std::string_view kComfyVersion = "0.3.64";
/// What that version asks for: an older page warns its user.
inline constexpr std::string_view kRequiredFrontend = "1.27.10";
inline constexpr std::string_view kRequiredTemplates = "0.1.95";

/// What this server can do, as GET /features and the handshake of sessions tell it.
Json features(const Settings& settings);

}  // namespace comfy::server
