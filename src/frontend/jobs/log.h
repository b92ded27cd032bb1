// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/log.h"

namespace comfy::jobs {

inline Logger log{"jobs"};

}  // namespace comfy::jobs
