// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/jobs/sqlite/database.h"
#include "frontend/jobs/store.h"

#include <optional>
#include <string>
#include <vector>

namespace comfy::jobs {

/// The changes of JobStore as statements on an open transaction. They throw Error for what the
/// caller did wrong and DatabaseFailure for what SQLite could not do.

struct Retention {
  std::size_t max_jobs = 100'000;
  std::uint64_t max_bytes = 4ULL << 30;
};

AcceptedJob accept_job(Database& database, const NewJob& job, const std::string& store_id);
std::optional<Claimed> claim_job(Database& database, const ClaimRequest& request,
                                 const std::string& store_id);
FinishResult finish_job(Database& database, const Outcome& outcome);
LostResult lose_attempt(Database& database, const LostAttempt& attempt);
std::vector<CancelResult> cancel_jobs(Database& database, const JobStore::CancelRequest& request);
std::vector<std::string> expire_jobs(Database& database, const std::vector<std::string>& ids,
                                     WallTime at);
/// True when there may be more to remove.
bool forget_jobs(Database& database, const std::string& owner,
                 const std::optional<std::vector<std::string>>& ids);
/// Removes a batch of the oldest finished jobs beyond the limits; true when there may be more.
bool tidy_jobs(Database& database, const Retention& retention, WallTime at);

State state_of(const std::string& name);

}  // namespace comfy::jobs
