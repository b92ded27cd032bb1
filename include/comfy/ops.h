// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/// The functions of libtorch (at::...), for the source files of a plug-in that compute.
#include "inference/tensor/ops.h"
