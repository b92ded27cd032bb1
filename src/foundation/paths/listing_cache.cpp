// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/listing_cache.h"

#include "foundation/paths/walk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <utility>

namespace comfy::paths {
namespace {

// Folder times move in steps of the kernel's tick. A folder changed this shortly before the scan
// may change once more without its time showing it, so such a scan is not trusted for long.
constexpr std::int64_t kTick = 50'000'000;

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// What one root looked like when it was scanned.
struct Snapshot {
  std::string path;
  bool present = false;
  std::vector<VisitedFolder> folders;
};

bool is_unchanged(const Snapshot& snapshot) {
  struct stat info{};
  if (!snapshot.present) return ::stat(snapshot.path.c_str(), &info) != 0;
  return std::ranges::all_of(snapshot.folders, [&](const VisitedFolder& folder) {
    const std::string path =
        folder.path.empty() ? snapshot.path : snapshot.path + "/" + folder.path;
    if (::stat(path.c_str(), &info) != 0) return false;
    return std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec ==
           folder.modified_ns;
  });
}

bool same_entries(const ModelList& a, const ModelList& b) {
  return std::ranges::equal(a.entries, b.entries, [](const ModelEntry& x, const ModelEntry& y) {
    return x.name == y.name && x.root == y.root;
  });
}

}  // namespace

struct ListingCache::Slot {
  std::mutex mutex;
  std::shared_ptr<const ModelList> list;
  std::vector<Snapshot> snapshots;
  bool is_settled = false;  ///< every folder was quiet for a while before the scan

  bool is_fresh() const {
    return list && is_settled && std::ranges::all_of(snapshots, is_unchanged);
  }
  ModelList scan(const ModelFolder& folder);
};

ModelList ListingCache::Slot::scan(const ModelFolder& folder) {
  ModelList found;
  snapshots.clear();
  is_settled = true;
  const std::int64_t start = now_ns();
  for (std::size_t i = 0; i < folder.roots.size(); ++i) {
    const Root& root = folder.roots[i];
    Snapshot snapshot{.path = root.path().string(), .present = false, .folders = {}};
    const FileDescriptor open{::open(snapshot.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (open) {
      WalkResult walk = walk_folder(open.get(), {.links = root.links(), .hidden = Hidden::show});
      snapshot.present = true;
      snapshot.folders = std::move(walk.folders);
      for (Entry& entry : walk.entries) {
        if (entry.is_folder || !folder.accepts(entry.path)) continue;
        found.entries.push_back(
            {std::move(entry.path), i, entry.size, entry.modified_ns, entry.created_ns});
      }
    }
    for (const VisitedFolder& visited : snapshot.folders)
      is_settled = is_settled && visited.modified_ns < start - kTick;
    snapshots.push_back(std::move(snapshot));
  }
  std::ranges::stable_sort(found.entries, {}, &ModelEntry::name);
  const auto repeated = std::ranges::unique(found.entries, {}, &ModelEntry::name);
  found.entries.erase(repeated.begin(), repeated.end());
  return found;
}

ListingCache::ListingCache() = default;
ListingCache::~ListingCache() = default;

std::shared_ptr<ListingCache::Slot> ListingCache::slot_of(const std::string& kind) {
  const std::lock_guard lock{mutex_};
  std::shared_ptr<Slot>& slot = slots_[kind];
  if (!slot) slot = std::make_shared<Slot>();
  return slot;
}

std::shared_ptr<const ModelList> ListingCache::list(const ModelFolder& folder) {
  const auto slot = slot_of(folder.kind);
  const std::lock_guard lock{slot->mutex};
  if (slot->is_fresh()) return slot->list;
  ModelList found = slot->scan(folder);
  const bool changed = !slot->list || !same_entries(*slot->list, found);
  found.generation = changed ? ++generation_ : slot->list->generation;
  slot->list = std::make_shared<const ModelList>(std::move(found));
  return slot->list;
}

void ListingCache::forget() {
  const std::lock_guard lock{mutex_};
  slots_.clear();
}

}  // namespace comfy::paths
