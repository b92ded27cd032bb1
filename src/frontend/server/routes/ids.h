// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

#include <string>
#include <string_view>
#include <vector>

namespace comfy::server {

/// A prompt id as clients write it: a string, or a number that stands for its digits.
/// Throws Error(invalid_input) naming `field`.
std::string prompt_id_of(const Json& value, std::string_view field);

/// An array of them. Throws Error(invalid_input) naming `field`.
std::vector<std::string> prompt_ids(const Json& value, std::string_view field);

/// Whether Python would take the value for true: not null, false, 0, "" or empty.
bool truth_of(const Json& value);

}  // namespace comfy::server
