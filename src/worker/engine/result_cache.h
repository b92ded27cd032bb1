// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/graph/signature.h"
#include "worker/engine/executor.h"
#include "worker/engine/value.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace comfy::engine {

/// The outputs of a node: for each slot the values of all its calls.
using Outputs = std::vector<std::vector<Value>>;
/// What a cache entry is found by: a signature, for nodes of an expansion joined with their
/// parent's.
using CacheKey = graph::Signature;

struct CacheEntry {
  std::optional<Outputs> outputs;
  std::optional<Json::Object> ui;
  Json meta;  ///< of the node that made `ui`
};

/// Results of nodes, kept between prompts as the policy says. Results of an expansion's nodes live
/// and die with the node that expanded.
class ResultCache {
 public:
  explicit ResultCache(CacheOptions options) : options_{std::move(options)} {}

  /// Begins a prompt whose own nodes have these keys, and drops what the policy does not keep.
  void begin_prompt(const std::unordered_set<CacheKey>& keys);
  /// Tells the keys of the nodes that `parent` expanded to; results of other children are dropped.
  void set_children(const CacheKey& parent, std::vector<CacheKey> children);

  /// The entry, or nothing. Entries stay where they are until they are dropped.
  CacheEntry* find(const CacheKey& key);
  CacheEntry& entry(const CacheKey& key);
  /// Whether outputs of a node go once all its consumers have run.
  bool drops_used() const { return options_.policy == CachePolicy::none; }
  void drop_outputs(const CacheKey& key);
  /// Whether it matters who still waits for outputs: drops_used, or make_room may be asked.
  bool follows_use() const { return drops_used() || options_.policy == CachePolicy::ram; }
  /// With CachePolicy::ram: when memory is short, drops what is large and long unused until it is
  /// not. `is_needed` names entries of this prompt whose outputs somebody still waits for.
  void make_room(const std::function<bool(const CacheKey&)>& is_needed);
  void clear() { slots_.clear(); }
  std::size_t size() const { return slots_.size(); }

 private:
  struct Slot {
    CacheEntry entry = {};
    bool is_child = false;
    std::vector<CacheKey> children = {};
    std::uint64_t generation = 0;
  };
  void erase(const CacheKey& key);
  void touch(const CacheKey& key);
  void keep_youngest();
  double score(const Slot& slot) const;

  CacheOptions options_;
  std::uint64_t generation_ = 0;
  std::unordered_map<CacheKey, Slot> slots_;
};

/// The key of a node inside the expansion of `parent`.
CacheKey child_key(const CacheKey& parent, const graph::Signature& own);

}  // namespace comfy::engine
