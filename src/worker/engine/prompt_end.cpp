// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/prompt_run.h"

#include <utility>

namespace comfy::engine {

namespace {

Json timestamp(const Clock& clock) { return static_cast<std::int64_t>(clock.wall().count()); }

}  // namespace

void PromptRun::add_message(const char* type, Json data) {
  data["timestamp"] = timestamp(*state_.options.clock);
  result_.messages.emplace_back(Json::Array{type, data});
  board_.send(type, std::move(data));
}

void PromptRun::end(const char* type, Json::Object data) {
  data["timestamp"] = timestamp(*state_.options.clock);
  result_.messages.emplace_back(Json::Array{type, data});
  board_.send_last(type, std::move(data));
}

void PromptRun::fail(NodeIndex node, const NodeFailure& failure) {
  const std::string id = node == kNoNode ? std::string{} : prompt_[node].real_id;
  const NodeIndex real = prompt_.find(id);
  Json::Object data{{"prompt_id", execution_.prompt_id},
                    {"node_id", node == kNoNode ? Json{} : Json{id}},
                    {"node_type", real == kNoNode ? Json{} : Json{prompt_[real].class_type}},
                    {"executed", executed_ids()}};
  if (failure.kind == NodeFailure::Kind::interrupted) {
    result_.status = ExecutionResult::Status::interrupted;
    return end("execution_interrupted", std::move(data));
  }
  result_.status = ExecutionResult::Status::error;
  data["exception_message"] = failure.message;
  data["exception_type"] = failure.type;
  data["traceback"] = failure.traceback;
  data["current_inputs"] = current_inputs_;
  data["current_outputs"] = ids_with_outputs();
  end("execution_error", std::move(data));
}

void PromptRun::fail_with_cycle() {
  const std::vector<NodeIndex> waiting = schedule_.cycle();
  // The blame goes to the node of the prompt that expanded to the cycle, if there is one.
  std::string blamed = prompt_[waiting.front()].id;
  for (const NodeIndex node : waiting)
    if (prompt_[node].display_id != prompt_[node].id) {
      blamed = prompt_[node].display_id;
      break;
    }
  NodeFailure failure;
  failure.type = "graph.DependencyCycleError";
  failure.message = "Dependency cycle detected";
  current_inputs_ = Json::Array{};
  fail(prompt_.find(blamed), failure);
}

Json PromptRun::executed_ids() const {
  Json::Array ids;
  for (const NodeIndex node : executed_) ids.emplace_back(prompt_[node].id);
  return ids;
}

Json PromptRun::ids_with_outputs() {
  Json::Array ids;
  for (NodeIndex node = 0; node < prompt_.size(); ++node)
    if (outputs_of(node)) ids.emplace_back(prompt_[node].id);
  return ids;
}

void PromptRun::collect_history() {
  for (NodeIndex node = 0; node < prompt_.size(); ++node) {
    const CacheEntry* entry = state_.cache.find(book_.key(node));
    if (!entry || !entry->ui) continue;
    result_.outputs[prompt_[node].id] = *entry->ui;
    result_.meta[prompt_[node].id] = entry->meta;
  }
}

Json ExecutionResult::status_json() const {
  const bool completed = status == Status::success;
  return Json::Object{{"status_str", completed ? "success" : "error"},
                      {"completed", completed},
                      {"messages", messages}};
}

}  // namespace comfy::engine
