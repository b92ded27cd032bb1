// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/error.h"

#include <cstdio>
#include <cstdlib>

namespace comfy::fuzz {

/// Ends the process with a sentence: what a target finds must not be overlooked.
[[noreturn]] inline void found(const char* what) {
  std::fprintf(stderr, "found: %s\n", what);
  std::abort();
}

/// Calls `work` and lets pass what only says that the input is wrong. Any other exception is a
/// find.
template <class Work>
void refusing(Work work) {
  using Kind = Error::Kind;
  try {
    work();
  } catch (const Error& error) {
    switch (error.kind) {
      case Kind::invalid_prompt:
      case Kind::invalid_input:
      case Kind::not_found:
      case Kind::forbidden:
      case Kind::conflict:
      case Kind::too_large:
      case Kind::unsupported:
        return;
      case Kind::out_of_memory:
      case Kind::interrupted:
      case Kind::unavailable:
      case Kind::internal:
        found(error.message.c_str());
    }
  }
}

}  // namespace comfy::fuzz
