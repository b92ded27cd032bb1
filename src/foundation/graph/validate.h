// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/graph/catalogue.h"
#include "foundation/graph/file_choices.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace comfy::graph {

/// What a node's own validator is shown: literal inputs by name, and the types of those that are
/// linked.
struct ValidatorCall {
  const NodeDefinition& definition;
  const std::string& node_id;
  Json::Object literals = {};
  Json::Object received_types = {};
};

/// Runs a node's own validator. Returns nothing when it agrees, else its complaint (which may be
/// empty).
using Validator = std::function<std::optional<std::string>(const ValidatorCall&)>;

struct ValidationOptions {
  /// Only these output nodes are asked for. Ids that are no output nodes are ignored.
  std::optional<std::vector<std::string>> partial_execution_targets = {};
  FileChoices files = {};
  /// Asked for classes with has_validator; without it they pass (and are checked on their worker).
  Validator validator = {};
};

struct ValidationResult {
  bool accepted = false;
  Json error;                        ///< the "error" of a refusal; null when accepted
  Json::Object node_errors;          ///< by node id; may hold some even when accepted
  std::vector<std::string> outputs;  ///< output nodes that can run, in prompt order
  Json prompt;                       ///< the prompt with values coerced and unwrapped

  /// {"error": .., "node_errors": ..}: the body of a refusal.
  Json refusal() const;
};

/// Checks a prompt against the catalogue as ComfyUI does and finds every error, not the first
/// alone. Never throws for a bad prompt; its cost grows linearly with the prompt.
ValidationResult validate(Json prompt, const Catalogue& catalogue,
                          const ValidationOptions& options = {});

}  // namespace comfy::graph
