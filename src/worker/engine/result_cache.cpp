// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/result_cache.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace comfy::engine {

namespace {

// ComfyUI's weights: an entry without tensors counts a little, and age counts more and more.
constexpr double kEntryCost = 0.1, kTensorCost = 0.5, kAgeFactor = 1.3;
/// Room is made until there is this much of what is asked for.
constexpr double kEnough = 1.1;

}  // namespace

void ResultCache::begin_prompt(const std::unordered_set<CacheKey>& keys) {
  ++generation_;
  if (options_.policy == CachePolicy::none) return clear();
  if (options_.policy == CachePolicy::ram) {
    for (const CacheKey& key : keys) touch(key);
    return;
  }
  if (options_.policy == CachePolicy::lru && options_.lru_size > 0) {
    for (const CacheKey& key : keys) touch(key);
    return keep_youngest();
  }
  std::vector<CacheKey> unused;
  for (const auto& [key, slot] : slots_)
    if (!slot.is_child && !keys.contains(key)) unused.push_back(key);
  for (const CacheKey& key : unused) erase(key);
}

void ResultCache::set_children(const CacheKey& parent, std::vector<CacheKey> children) {
  const std::unordered_set<CacheKey> kept{children.begin(), children.end()};
  for (const CacheKey& old : std::exchange(slots_[parent].children, std::move(children)))
    if (!kept.contains(old)) erase(old);
  for (const CacheKey& child : kept) {
    Slot& slot = slots_[child];
    slot.is_child = true;
    slot.generation = generation_;
  }
}

CacheEntry* ResultCache::find(const CacheKey& key) {
  const auto found = slots_.find(key);
  return found == slots_.end() ? nullptr : &found->second.entry;
}

CacheEntry& ResultCache::entry(const CacheKey& key) {
  Slot& slot = slots_[key];
  slot.generation = generation_;
  return slot.entry;
}

void ResultCache::drop_outputs(const CacheKey& key) {
  if (CacheEntry* found = find(key)) found->outputs.reset();
}

void ResultCache::erase(const CacheKey& key) {
  std::vector<CacheKey> doomed{key};
  while (!doomed.empty()) {
    const auto found = slots_.find(doomed.back());
    doomed.pop_back();
    if (found == slots_.end()) continue;
    doomed.insert(doomed.end(), found->second.children.begin(), found->second.children.end());
    slots_.erase(found);
  }
}

void ResultCache::touch(const CacheKey& key) {
  std::vector<CacheKey> touched{key};
  while (!touched.empty()) {
    const auto found = slots_.find(touched.back());
    touched.pop_back();
    if (found == slots_.end() || found->second.generation == generation_) continue;
    found->second.generation = generation_;
    touched.insert(touched.end(), found->second.children.begin(), found->second.children.end());
  }
}

void ResultCache::keep_youngest() {
  if (slots_.size() <= options_.lru_size) return;
  std::vector<std::pair<std::uint64_t, CacheKey>> by_age;
  for (const auto& [key, slot] : slots_)
    if (slot.generation < generation_) by_age.emplace_back(slot.generation, key);
  std::sort(by_age.begin(), by_age.end());
  // Whole generations go, the oldest first; the current one stays.
  for (std::size_t i = 0; i < by_age.size(); ++i) {
    const bool same_generation = i > 0 && by_age[i].first == by_age[i - 1].first;
    if (slots_.size() <= options_.lru_size && !same_generation) return;
    erase(by_age[i].second);
  }
}

double ResultCache::score(const Slot& slot) const {
  double cost = kEntryCost;
  if (slot.entry.outputs)
    for (const std::vector<Value>& values : *slot.entry.outputs)
      for (const Value& value : values) cost += kTensorCost * static_cast<double>(value.memory());
  return std::pow(kAgeFactor, static_cast<double>(generation_ - slot.generation)) * cost;
}

void ResultCache::make_room(const std::function<bool(const CacheKey&)>& is_needed) {
  const std::uint64_t wanted = options_.ram_headroom;
  if (options_.policy != CachePolicy::ram || options_.available_memory() >= wanted) return;
  std::vector<std::pair<double, CacheKey>> by_score;
  for (const auto& [key, slot] : slots_) by_score.emplace_back(score(slot), key);
  std::sort(by_score.rbegin(), by_score.rend());
  for (const auto& [score, key] : by_score) {
    if (static_cast<double>(options_.available_memory()) >= kEnough * static_cast<double>(wanted))
      return;
    const auto found = slots_.find(key);
    if (found == slots_.end() || is_needed(key)) continue;
    // What this prompt shows is still to be told.
    if (found->second.generation == generation_)
      found->second.entry.outputs.reset();
    else
      erase(key);
  }
}

CacheKey child_key(const CacheKey& parent, const graph::Signature& own) {
  // Without literals there is always a signature.
  return graph::sign(
             {.class_type = {},
              .id = {},
              .change = nullptr,
              .inputs = {{.name = "parent", .literal = nullptr, .source = parent, .slot = 0},
                         {.name = "own", .literal = nullptr, .source = own, .slot = 0}}})
      .value_or(own);
}

}  // namespace comfy::engine
