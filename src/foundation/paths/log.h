// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/log.h"

namespace comfy::paths {

inline Logger log{"paths"};

}  // namespace comfy::paths
