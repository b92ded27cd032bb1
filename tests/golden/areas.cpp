// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/area.h"
#include "golden/workflow_area.h"

#include <fmt/format.h>

#include <algorithm>

namespace comfy::golden {
namespace {

constexpr Area kAreas[] = {
    {"e2e", run_e2e},
    {"nodes", run_nodes},
};

}  // namespace

std::span<const Area> areas() { return kAreas; }

void Outcome::add(std::string_view what, const Comparison& comparison) {
  worst = std::max(worst, comparison.worst);
  if (comparison.agrees || verdict == Verdict::failed) return;
  verdict = Verdict::failed;
  message = fmt::format("{}: {}", what, comparison.message);
}

}  // namespace comfy::golden
