// SPDX-License-Identifier: GPL-3.0-or-later
#include "thread_policy.h"

#include <cstdlib>

namespace comfy {

bool set_thread_policy() {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr)
    return false;
  // Some microseconds: enough for the many short waits of a small network on a machine that is
  // idle.
  return ::setenv("GOMP_SPINCOUNT", "2000", 1) == 0;
}

}  // namespace comfy
