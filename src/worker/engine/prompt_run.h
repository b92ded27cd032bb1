// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "worker/engine/error_report.h"
#include "worker/engine/executor.h"
#include "worker/engine/node_call.h"
#include "worker/engine/node_states.h"
#include "worker/engine/parked_calls.h"
#include "worker/engine/progress_board.h"
#include "worker/engine/result_cache.h"
#include "worker/engine/schedule.h"
#include "worker/engine/signature_book.h"

#include <optional>
#include <unordered_map>
#include <vector>

namespace comfy::engine {

/// What an executor keeps between prompts.
struct ExecutorState {
  const Registry& registry;
  nodes::Services* services;
  ExecutorOptions options;
  ResultCache cache;
  NodeStates states;
};

/// One prompt on its way from execution_start to its end.
class PromptRun {
 public:
  PromptRun(ExecutorState& state, const Execution& execution, EventSink& sink);
  ExecutionResult run();

 private:
  enum class Step { done, again };

  void begin();
  void run_nodes();
  void abandon_calls();
  NodeIndex next_node();

  Step execute(NodeIndex node);
  Step start(NodeIndex node);
  Step finish(NodeIndex node, NodeCalls calls);
  void show_cached(NodeIndex node, const CacheEntry& entry);
  void keep_outputs(NodeIndex node, Outputs outputs);

  bool wait_for_lazy_inputs(NodeIndex node, const GatheredInputs& inputs);
  std::vector<std::string> ask_for_lazy_inputs(NodeIndex node, const GatheredInputs& inputs);
  NodeCalls call(NodeIndex node, const GatheredInputs& inputs);
  Blocker report_blocker(NodeIndex node, const Blocker& blocker);

  void expand(NodeIndex node, std::vector<Returned> calls);
  Outputs resolve_expansion(NodeIndex node);

  std::unique_ptr<Context> make_context(NodeIndex node, std::size_t list_index);
  std::optional<Json> change_value(NodeIndex node);
  const Outputs* outputs_of(NodeIndex node);
  CacheEntry& entry_of(NodeIndex node) { return state_.cache.entry(book_.key(node)); }

  void count_consumer_of(NodeIndex source);
  void consumed(NodeIndex source);
  void release_used(NodeIndex node);

  void add_message(const char* type, Json data);
  void end(const char* type, Json::Object data);
  void fail(NodeIndex node, const NodeFailure& failure);
  void fail_with_cycle();
  Json executed_ids() const;
  Json ids_with_outputs();
  void collect_history();

  ExecutorState& state_;
  const Execution& execution_;
  std::string preview_method_;
  DynamicPrompt prompt_;
  ProgressBoard board_;
  SignatureBook book_;
  Schedule schedule_;
  ExecutionResult result_;
  NodeIndex current_ = kNoNode;
  Json current_inputs_ = Json::Object{};
  std::vector<NodeIndex> executed_;
  std::unordered_map<NodeIndex, std::vector<Returned>> expanded_;
  std::vector<std::size_t> consumers_;
  ParkedCalls parked_;  // last: calls that go on use all of the above
};

}  // namespace comfy::engine
