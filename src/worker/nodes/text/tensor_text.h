// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

#include <string>

namespace comfy::nodes {

/// A tensor of floating point numbers as torch's str shows it: four digits, and of more than 1,000
/// numbers only those at the edges.
std::string tensor_text(const Tensor& tensor);

}  // namespace comfy::nodes
