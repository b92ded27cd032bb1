// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/options/options.h"
#include "foundation/paths/folders.h"
#include "frontend/access/gate.h"
#include "frontend/jobs/jobs.h"
#include "frontend/jobs/sqlite/sqlite_store.h"
#include "frontend/server/settings.h"

#include <chrono>
#include <string>
#include <vector>

namespace comfy {

/// What the command line means for each layer. Throws Error(invalid_input) naming the option.
server::Settings server_settings(const options::Options& options,
                                 const std::vector<std::string>& arguments);
jobs::JobsOptions jobs_options(const options::Options& options);
/// How long a stop waits for what runs.
std::chrono::milliseconds drain_time(const options::Options& options);
jobs::SqliteOptions store_options(const options::Options& options,
                                  const std::filesystem::path& user_directory);
/// How people are let in; without keys, tokens and an open address everybody is. `outside`: other
/// machines can reach this one.
access::GateOptions gate_options(const options::Options& options, bool outside,
                                 const std::filesystem::path& user_directory);
/// How many worker processes to start.
std::size_t worker_count(const options::Options& options);
/// Sets level and stream of the log.
void set_up_log(const options::Options& options);

}  // namespace comfy
