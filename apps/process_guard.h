// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace comfy {

/// Gives up what the programs never need, for themselves and the processes they start: a program
/// with more rights than its user's (set-user-ID, file capabilities) gets none of them, and a crash
/// leaves no memory, which may hold keys and prompts, on the disk.
void give_up_privileges();

/// True when the process has the rights of root, which nothing here needs.
bool runs_as_root();

}  // namespace comfy
