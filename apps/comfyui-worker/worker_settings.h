// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/options/options.h"
#include "foundation/paths/folders.h"
#include "worker/attempts/event_pipe.h"
#include "worker/engine/executor.h"
#include "worker/nodes/services.h"

namespace comfy {

/// What the command line means for a worker. Throws Error(invalid_input) naming the option.
paths::FolderOptions folder_options(const options::Options& options);
engine::ExecutorOptions executor_options(const options::Options& options);
nodes::PrecisionPolicy precision_policy(const options::Options& options);
media::DecodeLimits decode_limits(const options::Options& options);
attempts::EventPipe::Options preview_options(const options::Options& options);

}  // namespace comfy
