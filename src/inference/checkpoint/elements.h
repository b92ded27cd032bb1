// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/formats/tensor_table.h"
#include "inference/tensor/tensor.h"

#include <optional>

namespace comfy::checkpoint {

/// libtorch's type for a stored one; nothing for the types smaller than a byte.
std::optional<DType> dtype_of(formats::ElementType type);
/// The stored type for one of libtorch's; nothing when the format has none.
std::optional<formats::ElementType> element_of(DType type);

}  // namespace comfy::checkpoint
