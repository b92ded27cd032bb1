// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "golden/area.h"

namespace comfy::golden {

/// Runs a case that is a workflow through engine and nodes, as the worker would, and compares every
/// recorded output.
std::optional<Outcome> run_e2e(const std::filesystem::path& file);
std::optional<Outcome> run_nodes(const std::filesystem::path& file);

}  // namespace comfy::golden
