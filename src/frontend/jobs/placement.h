// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/graph/requirements.h"
#include "foundation/link/worker_link.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace comfy::jobs {

/// What a prompt needs of its worker; prompts that need the same share one. Null: not known.
struct Needs;
using NeedsPtr = std::shared_ptr<const Needs>;

/// Names: of node classes, or of model files ("checkpoints/a.safetensors").
using Names = std::set<std::string>;

/// Which worker can run what: by the hashes that workers tell of their node classes and model
/// files, and the lists that belong to them.
///
/// A worker that tells no hash is taken to have everything, as is one whose list is unreadable; one
/// whose list has not come yet has nothing. Not thread-safe.
class Placement {
 public:
  /// A worker's hashes; empty = not told.
  void set_worker(const link::WorkerKey& worker, const std::string& classes_hash,
                  const std::string& models_hash);
  void remove_worker(const link::WorkerKey& worker);

  /// The list behind a hash; null = it cannot be read.
  using List = std::shared_ptr<const Names>;
  void learn_classes(const std::string& hash, List list) { learn(classes_, hash, std::move(list)); }
  void learn_models(const std::string& hash, List list) { learn(models_, hash, std::move(list)); }
  bool knows_classes(const std::string& hash) const { return classes_.contains(hash); }
  bool knows_models(const std::string& hash) const { return models_.contains(hash); }
  /// The model files of all workers together, and of those that were there lately.
  Names models() const;
  /// Forgets lists that no worker has, or only that of one hash; returns whether model files went.
  bool forget_unused(const std::string& hash = {});

  NeedsPtr intern(graph::Requirements requirements);
  bool can_run(const link::WorkerKey& worker, const NeedsPtr& needs) const;
  bool has_class(const link::WorkerKey& worker, const std::string& node_class) const;
  /// True too while no worker is there.
  bool all_can_run(const NeedsPtr& needs) const;
  bool any_can_run(const NeedsPtr& needs) const;
  /// Of the model files it needs, how many are among `loaded`.
  static std::size_t ready(const NeedsPtr& needs, const Names& loaded);
  /// A sentence: what no worker has.
  std::string missing(const NeedsPtr& needs) const;

 private:
  using Lists = std::map<std::string, List>;
  using Kind = std::pair<std::string, std::string>;  // hashes of classes and of models
  void learn(Lists& lists, const std::string& hash, List list);
  bool fits(const Kind& kind, const Needs& needs) const;
  bool kind_can_run(const Kind& kind, const NeedsPtr& needs) const;

  Lists classes_;
  Lists models_;
  std::map<link::WorkerKey, Kind> workers_;
  std::map<Kind, std::size_t> kinds_;  // and how many workers are of each
  std::map<graph::Requirements, std::weak_ptr<const Needs>> interned_;
  std::size_t sweep_at_ = 64;
  std::uint64_t version_ = 1;  // changes with the lists
};

struct Needs {
  graph::Requirements requirements = {};
  /// Answers that were found before, for the version of the lists.
  mutable std::uint64_t version = 0;
  mutable std::map<std::pair<std::string, std::string>, bool> fits = {};
};

}  // namespace comfy::jobs
