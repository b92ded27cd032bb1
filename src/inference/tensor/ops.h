// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// The whole of ATen's functions, for .cpp files that compute. Comes precompiled; headers include
// tensor.h instead.
#include "inference/tensor/tensor.h"

#include <ATen/ATen.h>
