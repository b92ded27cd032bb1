// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/log.h"

namespace comfy::attempts {

inline Logger log{"worker"};

}  // namespace comfy::attempts
