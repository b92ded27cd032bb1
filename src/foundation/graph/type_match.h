// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

namespace comfy::graph {

/// Whether an output of type `received` may be linked to an input of type `wanted`. A type is a
/// text
/// ("IMAGE", "IMAGE,MASK", "*") or, for a classic combo, the array of its choices.
///
/// Equal types match; "*" matches everything, in a union too; unions match when they share a
/// member; an array of choices matches "COMBO" and, when it is empty, every other one.
bool types_match(const Json& received, const Json& wanted);

}  // namespace comfy::graph
