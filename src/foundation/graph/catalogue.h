// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/graph/definition.h"

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace comfy::graph {

/// All classes of nodes, in the order in which they were registered.
class Catalogue {
 public:
  /// Throws Error(conflict) when the id is taken.
  void add(NodeDefinition definition);
  /// Adds the definition, or puts it in the place of the one with its id.
  void replace(NodeDefinition definition);
  /// Adds every class of `other` that is new here; a class both have stays as it is.
  void merge(const Catalogue& other);

  const NodeDefinition* find(std::string_view id) const;
  std::size_t size() const { return definitions_.size(); }
  auto begin() const { return definitions_.begin(); }
  auto end() const { return definitions_.end(); }

  /// What `comfyui-worker --print-catalogue` prints and a worker sends: {"version": 1, "nodes":
  /// [..]}.
  Json to_json() const;
  /// Throws Error(invalid_input) when this is no catalogue of a version we know.
  static Catalogue from_json(const Json& json);
  /// SHA-256 of the text of to_json, in hexadecimal digits.
  std::string hash() const;

 private:
  std::vector<NodeDefinition> definitions_;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace comfy::graph
