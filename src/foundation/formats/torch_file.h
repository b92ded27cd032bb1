// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/formats/tensor_table.h"

#include <cstddef>
#include <span>

namespace comfy::formats {

/// Reads what torch.save wrote: the zip form, or the stream of versions before 1.6.
///
/// Takes the member "state_dict" when there is one, else the only member when that is a dictionary,
/// as ComfyUI does; then flattens (see TensorTable). Throws Error(invalid_input) for anything
/// malformed or outside the names that read_pickle knows.
TensorTable read_torch_file(std::span<const std::byte> file);

}  // namespace comfy::formats
