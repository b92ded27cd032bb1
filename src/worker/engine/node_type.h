// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/graph/definition.h"
#include "worker/engine/expansion.h"
#include "worker/engine/value.h"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::engine {

class Context;
class PendingCall;

/// One input of one call. A node that takes lists sees all its values, others exactly one.
struct Argument {
  std::string_view name = {};
  bool given = false;    ///< the prompt has this input
  bool missing = false;  ///< a wire whose source has not run
  std::span<const Value> values = {};
};

/// The inputs of one call: `declared` lines up with the definition's inputs that are not hidden,
/// `extra` are wires to inputs that are not declared.
struct Arguments {
  std::span<const Argument> declared = {};
  std::span<const Argument> extra = {};
};

/// What a call returns.
struct Returned {
  std::vector<std::vector<Value>> slots;  ///< by output: one value, or all of a list output
  Json::Object ui;                        ///< arrays by name; empty = nothing to show
  std::optional<Blocker> block;           ///< in place of all outputs
  std::optional<Expansion> expansion;     ///< in place of `slots`
  std::shared_ptr<PendingCall> pending;   ///< not finished yet; the rest is empty then
};

/// A call that goes on elsewhere while other nodes run.
class PendingCall {
 public:
  virtual ~PendingCall() = default;
  virtual bool ready() const = 0;
  /// Calls back once when it becomes ready, or at once when it is; from any thread.
  virtual void on_ready(std::function<void()> callback) = 0;
  /// The result; throws what the call threw. Called once, when ready.
  virtual Returned take() = 0;
};

/// A class of nodes as the executor uses it. The typed declarations of node.h become one of these;
/// a plug-in or an interpreter may fill it by hand.
struct NodeType {
  graph::NodeDefinition definition;
  std::function<Returned(const Arguments&, Context&)> run;
  /// Which inputs it needs, when definition.has_lazy_probe.
  std::function<std::vector<std::string>(const Arguments&, Context&)> check_lazy;
  /// Something that changes when the node must run again, when definition.has_change_probe.
  std::function<Json(const Arguments&, Context&)> fingerprint;
  /// Throws Error(invalid_input) with its complaint, when definition.has_validator. Arguments hold
  /// literals only; `types` tells what is linked: the source's type by input.
  std::function<void(const Arguments&, const Json::Object& types)> validate;
};

}  // namespace comfy::engine
