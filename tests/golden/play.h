// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "golden/area.h"
#include "worker/engine/executor.h"
#include "worker/engine/node_type.h"
#include "worker/engine/value.h"

#include <map>
#include <optional>
#include <string>

/// Playing a prompt through engine and nodes as the worker would, with two nodes of our own:
/// GoldenInput gives a recorded tensor to the workflow, GoldenOutput takes a value away.
namespace comfy::golden {

/// What came of a prompt.
struct Played {
  engine::ExecutionResult result;
  std::map<std::string, engine::Value> outputs;  ///< by GoldenOutput's `name`

  bool succeeded() const { return result.status == engine::ExecutionResult::Status::success; }
  /// The outcome of a prompt that ended in an error; not yet when it says "unsupported".
  Outcome failure() const;
};

/// Where a prompt finds files and how it gives them away.
struct Stage {
  std::filesystem::path base;              ///< its models/ and input/ are the product's
  Json extra_data = Json::Object{};        ///< as a client sends it along
  engine::Publisher* publisher = nullptr;  ///< for nodes that save
};

/// Runs a prompt whose GoldenInput nodes read `recorded`. The output nodes are its GoldenOutput and
/// SaveImage nodes.
Played play_prompt(const Case& recorded, const Json& prompt, const Stage& stage);

/// The first node class of a workflow that this build does not have.
/// Null when there is no such class.
const engine::NodeType* find_class(const std::string& class_type);

std::optional<std::string> missing_class(const Json& workflow);

/// Whether the output that a link names is a list, each element of it a value of its own.
bool gives_list(const Json& workflow, const Json& link);

/// Pieces of a prompt in API format.
Json step(const char* class_type, Json inputs);
Json link(const char* node, int slot);
Json golden_input(const char* name, const char* type);
Json golden_output(const char* name, const Json& from);

}  // namespace comfy::golden
