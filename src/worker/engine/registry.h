// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/graph/catalogue.h"
#include "foundation/graph/validate.h"
#include "worker/engine/node.h"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace comfy::engine {

/// All nodes this worker can run. Filled by explicit lists, one function for each family of nodes.
class Registry {
 public:
  Registry() = default;
  /// One whose nodes all come from that module ("custom_nodes.<name>").
  explicit Registry(std::string module) : module_{std::move(module)} {}

  /// Throws Error(conflict) when the id is taken, Error(internal) when the declaration contradicts
  /// itself.
  template <Node N>
  void add() {
    add(N::spec().build());
  }
  void add(NodeType type);
  /// Takes over all nodes of `other` but those whose ids are taken here, and returns these.
  std::vector<std::string> absorb(Registry&& other);

  const NodeType* find(std::string_view id) const;
  std::size_t size() const { return types_.size(); }
  /// The definitions as data, in the order in which they were added.
  const graph::Catalogue& catalogue() const { return catalogue_; }

 private:
  std::string module_;  ///< empty: each node says where it is from
  std::unordered_map<std::string, std::unique_ptr<const NodeType>> types_;
  graph::Catalogue catalogue_;
};

/// Runs a node's own validator in the form that graph::validate asks for.
graph::Validator validator_of(const Registry& registry);

}  // namespace comfy::engine
