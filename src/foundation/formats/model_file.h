// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/formats/tensor_table.h"

#include <cstddef>
#include <span>
#include <string_view>

namespace comfy::formats {

/// Whether files that hold a pickle may be read at all (--disable-pickle).
enum class PickleFiles { read, refuse };

/// Reads the table of a model file of any supported format, told by content.
///
/// name: the file's name for messages; one that ends in .safetensors or .sft must hold that format.
/// Throws Error(invalid_input) naming the file, what was expected and what it is.
TensorTable read_model_file(std::span<const std::byte> file, std::string_view name,
                            PickleFiles pickles = PickleFiles::read);

}  // namespace comfy::formats
