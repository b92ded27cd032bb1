// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/log.h"

namespace comfy::server {

inline Logger log{"server"};

}  // namespace comfy::server
