// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/log.h"

namespace comfy::plugin {

inline Logger log{"plugin"};

}  // namespace comfy::plugin
