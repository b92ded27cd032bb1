// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/models/text_encoder.h"

#include <string>
#include <string_view>
#include <vector>

namespace comfy::models::text {

/// A stretch of a prompt and how much it counts.
struct WeightedText {
  std::string text;
  double weight = 1.0;
  bool operator==(const WeightedText&) const = default;
};

/// Reads ComfyUI's prompt syntax: (x) counts 1.1 times its surroundings, (x:1.3) counts 1.3, both
/// nest; "\(" and "\)" are parentheses as text; parentheses without a partner are text.
///
/// Brackets and everything else are text. Groups nested deeper than 500 levels are text.
std::vector<WeightedText> parse_prompt(std::string_view text,
                                       PromptSyntax syntax = PromptSyntax::weighted);

}  // namespace comfy::models::text
