// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

#include <cstddef>
#include <optional>
#include <string>

namespace comfy::graph {

/// How large a prompt may be before anything is computed from it (security.md, section 5).
struct PromptLimits {
  std::size_t nodes = 100'000;
  std::size_t inputs_per_node = 1'024;
  std::size_t string_bytes = std::size_t{8} << 20;
};

/// The limit that a prompt exceeds, as a sentence; nothing when it keeps them all. A prompt of the
/// wrong shape is left to validation.
std::optional<std::string> limit_exceeded(const Json& prompt, const PromptLimits& limits = {});

}  // namespace comfy::graph
