// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/random.h"
#include "frontend/jobs/store.h"

#include <cstdint>
#include <filesystem>
#include <memory>

namespace comfy::jobs {

struct SqliteOptions {
  std::filesystem::path file = {};  ///< "<user directory>/comfyui-jobs.db"
  std::size_t history_max_jobs = 100'000;
  std::uint64_t history_max_bytes = 4ULL << 30;
  std::uint64_t reserve_bytes = 32ULL << 20;
};

/// The store in one SQLite file (WAL, synchronous=FULL), with one writer thread that shares commits
/// and readers on connections of their own. A lock file beside it keeps a second server out.
///
/// Throws Error(conflict) when another server holds it, Error(unsupported) for a newer schema or a
/// database of somebody else's, Error(internal) for a damaged file, naming `--recover-store`.
std::unique_ptr<JobStore> open_sqlite_store(SqliteOptions options, Random& random);

/// Copies what can still be read of a damaged store into a fresh one under the same name; the
/// damaged file stays beside it as "<name>.damaged". Returns how many jobs were saved.
std::size_t recover_sqlite_store(const std::filesystem::path& file, Random& random);

}  // namespace comfy::jobs
