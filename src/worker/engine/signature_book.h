// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "worker/engine/dynamic_prompt.h"
#include "worker/engine/result_cache.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace comfy::engine {

/// The signatures and cache keys of a prompt's nodes, each computed once, sources first.
class SignatureBook {
 public:
  /// `change` gives the change value of a node that has one; a NaN makes it equal to nothing.
  using Change = std::function<std::optional<Json>(NodeIndex)>;
  /// `user` belongs to the signatures of output nodes: what they have published lies in that
  /// user's folders and is nobody else's result. `unique_from` begins a series of signatures that
  /// nothing else has.
  SignatureBook(const DynamicPrompt& prompt, std::string user, Change change,
                std::uint64_t unique_from);

  const graph::Signature& signature(NodeIndex node);
  const CacheKey& key(NodeIndex node);

 private:
  void sign(NodeIndex node);
  void grow() { pages_.resize(prompt_.size()); }
  graph::Signature unique() { return {unique_from_, ++unique_count_}; }

  const DynamicPrompt& prompt_;
  std::string user_;
  Change change_;
  std::uint64_t unique_from_, unique_count_ = 0;
  struct Page {
    bool seen = false, is_signed = false, has_key = false;
    graph::Signature signature;
    CacheKey key;
  };
  std::vector<Page> pages_;
};

}  // namespace comfy::engine
