// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/log.h"

namespace comfy::nodes {

inline Logger log{"nodes"};

}  // namespace comfy::nodes
