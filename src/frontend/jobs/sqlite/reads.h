// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/jobs/sqlite/database.h"
#include "frontend/jobs/store.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::jobs {

/// The reads of JobStore on one connection. They throw DatabaseFailure.

std::vector<QueuedJob> read_queued_jobs(Database& database);
std::vector<OpenAttempt> read_open_attempts(Database& database);
QueueIds read_queue_ids(Database& database, const std::string& owner);
std::vector<std::string> read_history_ids(Database& database, const HistoryPage& page);
std::optional<JobRecord> read_job(Database& database, std::string_view prompt_id);
std::vector<JobRecord> read_list(Database& database, const JobPage& page);
std::size_t read_count(Database& database, const JobPage& page);

}  // namespace comfy::jobs
