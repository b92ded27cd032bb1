// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"
#include "inference/checkpoint/source.h"

#include <string_view>

namespace comfy::keys {

/// A recorded layout (tests/keys/<name>.json.gz) as a file: tensors of its names, types and shapes,
/// those of more than a few thousand numbers without numbers (meta tensors), the others ones.
checkpoint::SourcePtr layout(std::string_view name);

/// What each layout is: {name: {"architecture", "config", "sampling", "latent_format"}}.
Json expected_layouts();

}  // namespace comfy::keys
