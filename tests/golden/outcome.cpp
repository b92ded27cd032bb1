// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/area.h"

#include <fmt/format.h>

#include <algorithm>

namespace comfy::golden {

void Outcome::add(std::string_view what, const Comparison& comparison) {
  worst = std::max(worst, comparison.worst);
  if (comparison.agrees || verdict == Verdict::failed) return;
  verdict = Verdict::failed;
  message = fmt::format("{}: {}", what, comparison.message);
}

}  // namespace comfy::golden
