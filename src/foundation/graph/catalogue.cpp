// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/catalogue.h"

#include "foundation/base/error.h"
#include "foundation/base/hash.h"

#include <utility>

namespace comfy::graph {

namespace {
constexpr int kVersion = 1;
}  // namespace

void Catalogue::add(NodeDefinition definition) {
  if (!index_.emplace(definition.id, definitions_.size()).second)
    throw Error(Error::Kind::conflict, "node \"" + definition.id + "\" is registered twice");
  definitions_.push_back(std::move(definition));
}

void Catalogue::replace(NodeDefinition definition) {
  const auto found = index_.find(definition.id);
  if (found == index_.end()) return add(std::move(definition));
  definitions_[found->second] = std::move(definition);
}

void Catalogue::merge(const Catalogue& other) {
  for (const NodeDefinition& definition : other)
    if (!find(definition.id)) add(definition);
}

const NodeDefinition* Catalogue::find(std::string_view id) const {
  const auto found = index_.find(std::string(id));
  return found == index_.end() ? nullptr : &definitions_[found->second];
}

Json Catalogue::to_json() const {
  Json::Array nodes;
  for (const NodeDefinition& definition : definitions_) nodes.push_back(graph::to_json(definition));
  return Json::Object{{"version", kVersion}, {"nodes", std::move(nodes)}};
}

Catalogue Catalogue::from_json(const Json& json) {
  const std::int64_t version = json.at("version").as_int();
  if (version != kVersion)
    throw Error(Error::Kind::invalid_input,
                "expected a catalogue of version 1, got version " + std::to_string(version));
  Catalogue catalogue;
  for (const Json& node : json.at("nodes").as_array()) catalogue.add(definition_from_json(node));
  return catalogue;
}

std::string Catalogue::hash() const { return to_hex(sha256(to_compact_json(to_json()))); }

}  // namespace comfy::graph
