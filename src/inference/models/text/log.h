// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/log.h"

namespace comfy::models::text {

inline Logger log{"text"};

}  // namespace comfy::models::text
