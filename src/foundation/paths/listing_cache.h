// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/paths/model_folder.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace comfy::paths {

/// Lists models, and lists them again only when a folder below has changed: making or removing a
/// file changes its folder's time.
class ListingCache {
 public:
  ListingCache();
  ~ListingCache();

  std::shared_ptr<const ModelList> list(const ModelFolder& folder);
  void forget();
  /// Grows whenever a list came out different from the one before.
  std::uint64_t generation() const { return generation_; }

 private:
  struct Slot;
  std::shared_ptr<Slot> slot_of(const std::string& kind);

  std::mutex mutex_;  ///< of slots_; each slot has its own for the time of a scan
  std::map<std::string, std::shared_ptr<Slot>, std::less<>> slots_;
  std::atomic<std::uint64_t> generation_{1};
};

}  // namespace comfy::paths
