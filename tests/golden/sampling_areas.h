// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "golden/area.h"

#include <vector>

namespace comfy::golden {

/// Runs one recorded case of noise, of schedules or of samplers.
std::optional<Outcome> run_noise(const std::filesystem::path& file);
std::optional<Outcome> run_schedules(const std::filesystem::path& file);
std::optional<Outcome> run_samplers(const std::filesystem::path& file);

/// The recorded cases of an area, sorted: all where there is recorded data, otherwise the few kept
/// in tests/golden/cases.
std::vector<std::filesystem::path> recorded_cases(const std::string& area);

}  // namespace comfy::golden
