// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/residency/residency.h"

#include <algorithm>

namespace comfy::residency {

std::shared_ptr<const void> Residency::find_or_build(const std::string& key, std::type_index type,
                                                     const std::function<Built<void>()>& build) {
  if (auto found = find(key, type)) return found;
  const std::lock_guard one_at_a_time{building_};
  if (auto found = find(key, type)) return found;
  Built<void> built = build();
  std::list<Entry> dropped;  // destroyed after the lock: freeing gigabytes takes time
  const std::lock_guard lock{mutex_};
  entries_.push_front({key, type, built.value, built.bytes});
  bytes_ += built.bytes;
  dropped = shrink();
  return built.value;
}

std::shared_ptr<const void> Residency::find(const std::string& key, std::type_index type) {
  const std::lock_guard lock{mutex_};
  const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& e) { return e.key == key && e.type == type; });
  if (entry == entries_.end()) return {};
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->value;
}

std::list<Residency::Entry> Residency::shrink() {
  std::list<Entry> dropped;
  // What was just asked for stays even when it alone exceeds the budget: it is in use anyway.
  while (bytes_ > budget_ && entries_.size() > 1) {
    bytes_ -= entries_.back().bytes;
    dropped.splice(dropped.begin(), entries_, std::prev(entries_.end()));
  }
  return dropped;
}

void Residency::free() {
  std::list<Entry> dropped;
  const std::lock_guard lock{mutex_};
  dropped.swap(entries_);
  bytes_ = 0;
}

void Residency::set_budget(std::size_t bytes) {
  std::list<Entry> dropped;
  const std::lock_guard lock{mutex_};
  budget_ = bytes;
  dropped = shrink();
}

std::size_t Residency::bytes() const {
  const std::lock_guard lock{mutex_};
  return bytes_;
}

std::size_t Residency::size() const {
  const std::lock_guard lock{mutex_};
  return entries_.size();
}

}  // namespace comfy::residency
