// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/wipe.h"

#include "foundation/paths/log.h"

#include <algorithm>
#include <system_error>

namespace comfy::paths {
namespace {

/// When the entry or anything below it was written last.
std::filesystem::file_time_type newest_change(const std::filesystem::directory_entry& entry) {
  std::error_code ignored;
  auto newest = entry.last_write_time(ignored);
  if (!entry.is_directory(ignored) || entry.is_symlink(ignored)) return newest;
  std::filesystem::recursive_directory_iterator below{entry.path(), ignored};
  for (; below != std::filesystem::recursive_directory_iterator{}; below.increment(ignored))
    newest = std::max(newest, below->last_write_time(ignored));
  return newest;
}

}  // namespace

void wipe_unused(const std::filesystem::path& folder, std::chrono::seconds unused) {
  std::error_code failure;
  const auto last_use = std::filesystem::file_time_type::clock::now() - unused;
  for (const auto& entry : std::filesystem::directory_iterator{folder, failure}) {
    if (newest_change(entry) > last_use) continue;
    std::filesystem::remove_all(entry.path(), failure);
    if (failure) log.warn("'{}' stays where it is: {}", entry.path().string(), failure.message());
  }
}

}  // namespace comfy::paths
