// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/expansion.h"

#include "foundation/graph/prompt.h"
#include "worker/engine/context.h"

namespace comfy::engine {

GraphBuilder::GraphBuilder(Context& context) : GraphBuilder{context.next_graph_prefix()} {}

GraphBuilder::Node GraphBuilder::node(std::string class_type, std::string id) {
  if (id.empty()) id = std::to_string(next_++);
  nodes_.push_back({.id = prefix_ + id, .class_type = std::move(class_type)});
  return {*this, nodes_.size() - 1};
}

Expansion GraphBuilder::finish(std::vector<Value> results) {
  return {std::exchange(nodes_, {}), std::move(results)};
}

Value GraphBuilder::Node::out(std::size_t slot) const { return graph::Link{id(), slot}.to_json(); }

GraphBuilder::Node& GraphBuilder::Node::set(std::string name, Value value) {
  builder_->nodes_[index_].inputs.emplace_back(std::move(name), std::move(value));
  return *this;
}

GraphBuilder::Node& GraphBuilder::Node::display_as(std::string id) {
  builder_->nodes_[index_].display_id = std::move(id);
  return *this;
}

const std::string& GraphBuilder::Node::id() const { return builder_->nodes_[index_].id; }

}  // namespace comfy::engine
