// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/log.h"

namespace comfy::access {

inline Logger log{"access"};

}  // namespace comfy::access
