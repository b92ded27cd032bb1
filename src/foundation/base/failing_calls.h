// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string_view>

namespace comfy {

/// System calls that a test program can make fail. Linking failing_calls.cpp puts it before the C
/// library for the whole program, libraries included.
enum class FailingCall { write, sync, open, rename };

/// From here on the n-th call of that kind (from 1) fails once: with EIO, or with ENOSPC where
/// that is a call which may meet a full disk and n is even.
void fail_call(FailingCall call, std::uint64_t n);
/// Calls go through again. True when the n-th one came, false when there were fewer.
bool failed_call();

std::string_view call_name(FailingCall call);

}  // namespace comfy
