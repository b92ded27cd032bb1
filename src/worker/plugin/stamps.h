// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "comfy/stamp.h"

#include <string>
#include <string_view>
#include <vector>

namespace comfy::plugin {

/// The stamps in the bytes of a library, one for each source file that took the interface in.
std::vector<Stamp> stamps_in(std::string_view bytes);

/// What is different between a plug-in's stamp and this program's, as a sentence; empty when the
/// plug-in fits.
std::string misfit(const Stamp& theirs, const Stamp& ours);

}  // namespace comfy::plugin
