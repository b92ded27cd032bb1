// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/options/options.h"
#include "worker/attempts/event_pipe.h"
#include "worker/engine/executor.h"
#include "worker/nodes/services.h"

#include <chrono>
#include <cstdint>
#include <functional>

namespace comfy {

/// What the command line means for a worker. Throws Error(invalid_input) naming the option.
/// `available_memory` tells the bytes that are free.
engine::CacheOptions cache_options(const options::Options& options,
                                   std::function<std::uint64_t()> available_memory);
nodes::PrecisionPolicy precision_policy(const options::Options& options);
media::DecodeLimits decode_limits(const options::Options& options);
attempts::EventPipe::Options preview_options(const options::Options& options);
std::chrono::milliseconds hold_time(const options::Options& options);

}  // namespace comfy
