// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/source.h"

#include <string>
#include <string_view>

namespace comfy::checkpoint {

/// A whole safetensors file in memory, to be handed on.
std::string safetensors_bytes(const NamedTensors& tensors, const Metadata& metadata = {});

/// The tensors of such a file, copied. Throws Error(invalid_input) when it is none,
/// Error(unsupported) for a type of number that tensors do not have.
LoadedTensors tensors_of_safetensors(std::string_view file);

}  // namespace comfy::checkpoint
