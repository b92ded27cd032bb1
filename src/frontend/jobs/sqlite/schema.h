// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/random.h"
#include "frontend/jobs/sqlite/database.h"

#include <filesystem>

namespace comfy::jobs {

/// Marks a database as ours ("CFYJ").
inline constexpr std::int64_t kApplicationId = 0x4346594A;
inline constexpr std::int64_t kSchemaVersion = 2;

/// Brings an open database to the newest schema, in one transaction; makes it when it is empty.
/// Throws Error(unsupported) for a newer schema and for a database with tables that are not ours;
/// neither is altered.
void migrate(Database& database, const std::filesystem::path& file, Random& random);

}  // namespace comfy::jobs
