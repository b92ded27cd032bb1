// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/options/options.h"

namespace comfy {

/// Prints the definitions of all nodes, for catalogue.json.
void print_catalogue();

/// Works for the server at the other end of `--link-fd` until it says to end, ends itself, or
/// SIGTERM (drain, then exit) or SIGINT (exit after the step that runs) comes. Does not return.
[[noreturn]] void work(const options::Options& options);

}  // namespace comfy
