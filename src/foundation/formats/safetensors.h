// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"
#include "foundation/formats/tensor_table.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace comfy::formats {

/// Reads the header of a safetensors file; `file` is the whole file.
///
/// Throws Error(invalid_input) saying what is wrong: not this format (naming what it is),
/// truncated, a header above 100 MB, repeated or malformed entries, an unknown type, offsets that
/// leave gaps, overlap or end before or behind the file, a size that is not its shape's. Source:
/// the format's description at github.com/huggingface/safetensors.
TensorTable read_safetensors(std::span<const std::byte> file);

/// The `__metadata__` member of a safetensors file as it stands, reading only the header; nothing
/// when it has none. Throws Error(too_large) for a header above `max_header` bytes and
/// Error(invalid_input) for a file that is no safetensors file.
std::optional<Json> safetensors_metadata(int descriptor, std::size_t max_header = 1024 * 1024);

/// The front of a safetensors file with these tensors: length and header, padded so that the data
/// starts at a multiple of eight. Offsets count from the start of the data and must leave no gap.
std::string safetensors_front(const TensorTable& table);

}  // namespace comfy::formats
