// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "worker/engine/value.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace comfy::engine {

class Context;

/// A node of a graph that a node returns in its own place.
struct ExpandedNode {
  std::string id = {};
  std::string class_type = {};
  /// Links are Json [id, slot]; everything else is a value as it is.
  std::vector<std::pair<std::string, Value>> inputs = {};
  std::string display_id = {};  ///< empty: that of the expanding node
};

/// A graph that is computed in place of a node, and what then are the node's outputs: by slot, a
/// link (Json) into the graph or a value.
struct Expansion {
  std::vector<ExpandedNode> nodes = {};
  std::vector<Value> results = {};
};

/// Builds an expansion with ids that are the same in every run: `<node>.<call>.<graph>.1` and so
/// on.
class GraphBuilder {
 public:
  explicit GraphBuilder(Context& context);
  explicit GraphBuilder(std::string prefix) : prefix_{std::move(prefix)} {}

  /// A handle to a node just made; `out(0)` is a link to its first output.
  class Node {
   public:
    Value out(std::size_t slot) const;
    Node& set(std::string name, Value value);
    Node& set(std::string name, Json json) { return set(std::move(name), Value{std::move(json)}); }
    Node& display_as(std::string id);
    const std::string& id() const;

   private:
    friend class GraphBuilder;
    Node(GraphBuilder& builder, std::size_t index) : builder_{&builder}, index_{index} {}
    GraphBuilder* builder_;
    std::size_t index_;
  };

  /// Adds a node under `id` with the prefix in front; an empty id takes the next number.
  Node node(std::string class_type, std::string id = {});
  /// The finished expansion. The builder is empty afterwards.
  Expansion finish(std::vector<Value> results);

 private:
  std::string prefix_;
  std::size_t next_ = 1;
  std::vector<ExpandedNode> nodes_;
};

}  // namespace comfy::engine
