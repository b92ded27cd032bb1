// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string_view>

namespace comfy {

/// Ends the process on the spot (as kill -9 would) when COMFY_FAIL_AT names this point.
///
/// Fault tests place deaths with it: COMFY_FAIL_AT=after_commit. "name:3" dies at the third visit,
/// "name:stop" stops the process (SIGSTOP) in place of ending it. Where COMFY_FAIL_TICKET names a
/// file, only the process that removes it dies, so that one death can be placed in programs which
/// are started again with the same environment. Costs one load when unset.
void fail_point(std::string_view name);

}  // namespace comfy
