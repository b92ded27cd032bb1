// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/hash.h"

#include <string_view>

namespace comfy {

/// BLAKE3 with 32 bytes, by which ComfyUI names the content of files ("blake3:<hex>").
/// Source: O'Connor, Aumasson, Neves, Wilcox-O'Hearn 2020, "BLAKE3: one function, fast everywhere".
Digest blake3(std::string_view bytes);

}  // namespace comfy
