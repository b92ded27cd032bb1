// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/log.h"

namespace comfy::link {

inline Logger log{"link"};

}  // namespace comfy::link
