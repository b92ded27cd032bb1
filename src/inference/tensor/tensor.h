// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace comfy {

/// A libtorch tensor: a cheap handle on shared data. An empty one (`!t.defined()`) means "absent".
using Tensor = at::Tensor;
using DType = at::ScalarType;
/// Sizes, outermost first.
using Shape = std::vector<std::int64_t>;

}  // namespace comfy
