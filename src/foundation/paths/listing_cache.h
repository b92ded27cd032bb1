// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/paths/folder_watch.h"
#include "foundation/paths/model_folder.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace comfy::paths {

/// Files and folders below one folder, as Root::list gives them.
using Entries = std::shared_ptr<const std::vector<Entry>>;

/// Lists folders, and lists them again only when one of them has changed.
class ListingCache {
 public:
  explicit ListingCache(FolderWatch::Way way = FolderWatch::Way::events);
  ~ListingCache();

  std::shared_ptr<const ModelList> list(const ModelFolder& folder);
  /// What lies below `folder` of a root; nothing is there when the folder is not.
  Entries list(const Root& root, const ClientPath& folder, Depth depth);
  void forget();
  /// Grows whenever a list of models came out different from the one before.
  std::uint64_t generation() const { return generation_; }
  /// How often folders were looked through.
  std::uint64_t scans() const { return scans_; }

 private:
  struct Slot;
  std::shared_ptr<Slot> slot_of(const std::string& key);
  ModelList scan(Slot& slot, const ModelFolder& folder);

  FolderWatch watch_;
  std::mutex mutex_;  ///< of slots_; each slot has its own for the time of a scan
  std::map<std::string, std::shared_ptr<Slot>, std::less<>> slots_;
  std::atomic<std::uint64_t> generation_{1};
  std::atomic<std::uint64_t> scans_{0};
};

}  // namespace comfy::paths
