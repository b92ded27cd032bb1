// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/prompt_run.h"

#include "foundation/base/error.h"

#include <fmt/format.h>

#include <limits>
#include <set>
#include <unordered_set>
#include <utility>

namespace comfy::engine {

namespace {

Json meta_of(const DynamicPrompt& prompt, const PromptNode& node) {
  Json parent;
  if (node.parent != kNoNode) parent = prompt[node.parent].id;
  return Json::Object{{"node_id", node.id},
                      {"display_node", node.display_id},
                      {"parent_node", std::move(parent)},
                      {"real_node_id", node.real_id}};
}

/// The sources of a node, each once.
std::set<NodeIndex> sources_of(const PromptNode& node) {
  std::set<NodeIndex> sources;
  for (const PromptInput& input : node.inputs)
    if (input.is_link && input.source != kNoNode) sources.insert(input.source);
  return sources;
}

std::string choose_preview_method(const Execution& execution) {
  const std::string asked = execution.extra_data.string_or("preview_method", "default");
  return asked == "default" ? execution.preview_method : asked;
}

}  // namespace

PromptRun::PromptRun(ExecutorState& state, const Execution& execution, EventSink& sink)
    : state_{state},
      execution_{execution},
      preview_method_{choose_preview_method(execution)},
      prompt_{execution.prompt, state.registry},
      board_{prompt_, execution.prompt_id, sink, *state.options.clock,
             state.options.progress_interval},
      book_{prompt_, execution.user, [this](NodeIndex node) { return change_value(node); },
            state.options.random->next()},
      schedule_{prompt_, [this](NodeIndex node) { return outputs_of(node) != nullptr; }} {}

ExecutionResult PromptRun::run() {
  try {
    begin();
    run_nodes();
  } catch (...) {
    const NodeFailure failure = explain(std::current_exception());
    if (failure.kind == NodeFailure::Kind::out_of_memory && state_.options.on_out_of_memory)
      state_.options.on_out_of_memory();
    abandon_calls();
    fail(current_, failure);
  }
  collect_history();
  return std::move(result_);
}

/// Ends calls that go on elsewhere: nothing may be reported after the end of the prompt.
void PromptRun::abandon_calls() {
  if (!parked_.empty()) execution_.cancellation.cancel();
  parked_.clear();
}

void PromptRun::begin() {
  add_message("execution_start", Json::Object{{"prompt_id", execution_.prompt_id}});
  state_.states.begin_prompt(prompt_);
  std::unordered_set<CacheKey> keys;
  for (NodeIndex node = 0; node < prompt_.size(); ++node) keys.insert(book_.key(node));
  state_.cache.begin_prompt(keys);
  Json::Array cached;
  for (NodeIndex node = 0; node < prompt_.size(); ++node) {
    if (outputs_of(node)) cached.emplace_back(prompt_[node].id);
    for (const NodeIndex source : sources_of(prompt_[node])) count_consumer_of(source);
  }
  add_message("execution_cached",
              Json::Object{{"nodes", std::move(cached)}, {"prompt_id", execution_.prompt_id}});
  for (const std::string& output : execution_.outputs)
    if (const NodeIndex node = prompt_.find(output); node != kNoNode) schedule_.add(node);
}

void PromptRun::run_nodes() {
  while (!schedule_.empty()) {
    current_ = next_node();
    current_inputs_ = Json::Object{};
    if (current_ == kNoNode) return fail_with_cycle();
    if (execute(current_) == Step::again) continue;
    schedule_.complete(current_);
    release_used(current_);
  }
  end("execution_success", {{"prompt_id", execution_.prompt_id}});
}

/// The node whose turn it is, after waiting for calls that go on elsewhere when nothing else can
/// run; kNoNode when nothing ever will.
NodeIndex PromptRun::next_node() {
  while (true) {
    for (const NodeIndex node : parked_.finished()) schedule_.release(node);
    if (const std::optional<NodeIndex> next = schedule_.next()) return *next;
    if (!schedule_.anything_held()) return kNoNode;
    parked_.wait(execution_.cancellation);
  }
}

PromptRun::Step PromptRun::execute(NodeIndex node) {
  const PromptNode& at = prompt_[node];
  if (!at.type)
    throw Error(Error::Kind::invalid_prompt,
                fmt::format("Cannot execute because node {} does not exist.", at.class_type));
  if (const CacheEntry* entry = state_.cache.find(book_.key(node)); entry && entry->outputs) {
    show_cached(node, *entry);
    return Step::done;
  }
  if (parked_.holds(node)) {
    NodeCalls calls = parked_.take(node);
    calls.collect();
    return finish(node, std::move(calls));
  }
  if (expanded_.contains(node)) {
    keep_outputs(node, resolve_expansion(node));
    return Step::done;
  }
  return start(node);
}

void PromptRun::show_cached(NodeIndex node, const CacheEntry& entry) {
  board_.send("executed", Json::Object{{"node", prompt_[node].id},
                                       {"display_node", prompt_[node].display_id},
                                       {"output", entry.ui ? Json{*entry.ui} : Json{}},
                                       {"prompt_id", execution_.prompt_id}});
  board_.finish(node);
}

PromptRun::Step PromptRun::start(NodeIndex node) {
  const PromptNode& at = prompt_[node];
  board_.start(node);
  const GatheredInputs inputs =
      gather_inputs(at, [this](NodeIndex source) { return outputs_of(source); });
  board_.send("executing", Json::Object{{"node", at.id},
                                        {"display_node", at.display_id},
                                        {"prompt_id", execution_.prompt_id}});
  try {
    // What an expansion made is not validated, as in ComfyUI.
    if (at.parent == kNoNode) check_by_validator(at, prompt_);
    if (at.type->check_lazy && wait_for_lazy_inputs(node, inputs)) return Step::again;
    return finish(node, call(node, inputs));
  } catch (...) {
    // Described only now: a good run should not pay for it.
    current_inputs_ = inputs.describe();
    throw;
  }
}

PromptRun::Step PromptRun::finish(NodeIndex node, NodeCalls calls) {
  const PromptNode& at = prompt_[node];
  if (!calls.finished()) {
    parked_.park(node, std::move(calls));
    schedule_.hold(node);
    return Step::again;
  }
  calls.collect();
  if (Json::Object ui = merge_ui(calls.returned); !ui.empty()) {
    CacheEntry& entry = entry_of(node);
    entry.ui = ui;
    entry.meta = meta_of(prompt_, at);
    board_.send("executed", Json::Object{{"node", at.id},
                                         {"display_node", at.display_id},
                                         {"output", std::move(ui)},
                                         {"prompt_id", execution_.prompt_id}});
  }
  for (const Returned& returned : calls.returned)
    if (returned.expansion) {
      expand(node, std::move(calls.returned));
      return Step::again;
    }
  keep_outputs(node, merge_outputs(at, calls.returned));
  return Step::done;
}

void PromptRun::keep_outputs(NodeIndex node, Outputs outputs) {
  entry_of(node).outputs = std::move(outputs);
  executed_.push_back(node);
  board_.finish(node);
}

bool PromptRun::wait_for_lazy_inputs(NodeIndex node, const GatheredInputs& inputs) {
  const PromptNode& at = prompt_[node];
  bool waits = false;
  for (const std::string& name : ask_for_lazy_inputs(node, inputs)) {
    if (inputs.has(name)) continue;
    const auto input = std::find_if(at.inputs.begin(), at.inputs.end(),
                                    [&](const PromptInput& given) { return given.name == name; });
    if (input == at.inputs.end() || !input->is_link || input->source == kNoNode)
      throw Error(Error::Kind::invalid_prompt,
                  fmt::format("node {} says it needs input {}, but {}", at.id, name,
                              input == at.inputs.end() ? "there is no input to that node at all"
                                                       : "that is no link"),
                  "NodeInputError");
    if (outputs_of(input->source)) continue;
    schedule_.add_link(input->source, node);
    waits = true;
  }
  return waits;
}

std::vector<std::string> PromptRun::ask_for_lazy_inputs(NodeIndex node,
                                                        const GatheredInputs& inputs) {
  const PromptNode& at = prompt_[node];
  std::vector<std::string> wanted;
  std::unordered_set<std::string> seen;
  for (std::size_t i = 0; i < inputs.calls(at); ++i) {
    execution_.cancellation.check();
    const CallArguments arguments{at, inputs, i};
    if (arguments.blocker()) continue;
    for (std::string& name : at.type->check_lazy(arguments.get(), *make_context(node, i)))
      if (seen.insert(name).second) wanted.push_back(std::move(name));
  }
  return wanted;
}

NodeCalls PromptRun::call(NodeIndex node, const GatheredInputs& inputs) {
  const PromptNode& at = prompt_[node];
  NodeCalls calls;
  const std::size_t count = inputs.calls(at);
  calls.returned.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    execution_.cancellation.check();
    const CallArguments arguments{at, inputs, i};
    if (const Blocker* blocker = arguments.blocker()) {
      calls.returned.emplace_back().block = report_blocker(node, *blocker);
      continue;
    }
    std::unique_ptr<Context> context = make_context(node, i);
    calls.returned.push_back(at.type->run(arguments.get(), *context));
    if (calls.returned.back().pending) calls.contexts.push_back(std::move(context));
  }
  return calls;
}

/// Tells the user once why nothing comes, without ending the prompt.
Blocker PromptRun::report_blocker(NodeIndex node, const Blocker& blocker) {
  if (!blocker.message) return blocker;
  const PromptNode& at = prompt_[node];
  board_.send("execution_error",
              Json::Object{{"prompt_id", execution_.prompt_id},
                           {"node_id", at.id},
                           {"node_type", at.class_type},
                           {"executed", executed_ids()},
                           {"exception_message", "Execution Blocked: " + *blocker.message},
                           {"exception_type", "ExecutionBlocked"},
                           {"traceback", Json::Array{}},
                           {"current_inputs", Json::Array{}},
                           {"current_outputs", Json::Array{}}});
  return {};
}

void PromptRun::expand(NodeIndex node, std::vector<Returned> calls) {
  std::vector<NodeIndex> added;
  board_.exclusively([&] {
    for (const Returned& call : calls) {
      if (!call.expansion) continue;
      const std::vector<NodeIndex> some = prompt_.add(call.expansion->nodes, node);
      added.insert(added.end(), some.begin(), some.end());
    }
  });
  std::vector<CacheKey> keys;
  for (const NodeIndex child : added) {
    keys.push_back(book_.key(child));
    for (const NodeIndex source : sources_of(prompt_[child])) count_consumer_of(source);
  }
  state_.cache.set_children(book_.key(node), std::move(keys));
  for (const NodeIndex child : added)
    if (prompt_[child].definition().output_node) schedule_.add(child);
  for (const Returned& call : calls) {
    if (!call.expansion) continue;
    for (const Value& result : call.expansion->results) {
      const Json* json = result.json();
      if (!json || !graph::is_link(*json)) continue;
      const NodeIndex source = prompt_.find(json->as_array()[0].as_string());
      if (source == kNoNode)
        throw Error(Error::Kind::invalid_prompt,
                    fmt::format("expected a link into the expanded graph, got {}", to_json(*json)));
      count_consumer_of(source);
      schedule_.add_link(source, node);
    }
  }
  expanded_.emplace(node, std::move(calls));
}

Outputs PromptRun::resolve_expansion(NodeIndex node) {
  std::vector<Returned> calls = std::move(expanded_.at(node));
  expanded_.erase(node);
  std::vector<NodeIndex> used;
  for (Returned& call : calls) {
    if (!call.expansion) continue;
    for (const Value& result : call.expansion->results) {
      const Json* json = result.json();
      if (!json || !graph::is_link(*json)) {
        call.slots.push_back({result});
        continue;
      }
      const std::optional<graph::Link> link = graph::as_link(*json);
      const NodeIndex source = prompt_.find(json->as_array()[0].as_string());
      const Outputs* outputs = outputs_of(source);
      if (!link || !outputs || link->slot >= outputs->size())
        throw Error(
            Error::Kind::invalid_prompt,
            fmt::format("expected an output of the expanded graph, got {}", to_json(*json)));
      call.slots.push_back((*outputs)[link->slot]);
      used.push_back(source);
    }
  }
  Outputs merged = merge_outputs(prompt_[node], calls);
  for (const NodeIndex source : used) consumed(source);
  return merged;
}

std::unique_ptr<Context> PromptRun::make_context(NodeIndex node, std::size_t list_index) {
  return std::make_unique<Context>(ContextParts{.prompt_id = execution_.prompt_id,
                                                .node_id = prompt_[node].id,
                                                .list_index = list_index,
                                                .client_id = execution_.client_id,
                                                .user = execution_.user,
                                                .prompt = &execution_.prompt,
                                                .extra_data = &execution_.extra_data,
                                                .dynamic_prompt = &prompt_,
                                                .preview_method = preview_method_,
                                                .cancellation = execution_.cancellation,
                                                .reporter = &board_,
                                                .publisher = execution_.publisher,
                                                .state = &state_.states.of(prompt_[node]),
                                                .random = state_.options.random,
                                                .services = state_.services});
}

std::optional<Json> PromptRun::change_value(NodeIndex node) {
  const PromptNode& at = prompt_[node];
  if (at.is_changed) return *at.is_changed;
  if (!at.type || !at.type->fingerprint) return {};
  try {
    const GatheredInputs literals = gather_literals(at);
    const CallArguments arguments{at, literals, 0};
    Context context{ContextParts{.prompt_id = execution_.prompt_id,
                                 .node_id = at.id,
                                 .user = execution_.user,
                                 .cancellation = execution_.cancellation,
                                 .services = state_.services}};
    return at.type->fingerprint(arguments.get(), context);
  } catch (const std::exception&) {
    // A probe that fails makes its node run; what is wrong shows then.
    return std::numeric_limits<double>::quiet_NaN();
  }
}

const Outputs* PromptRun::outputs_of(NodeIndex node) {
  const CacheEntry* entry = state_.cache.find(book_.key(node));
  return entry && entry->outputs ? &*entry->outputs : nullptr;
}

void PromptRun::count_consumer_of(NodeIndex source) {
  consumers_.resize(std::max(consumers_.size(), prompt_.size()));
  ++consumers_[source];
}

void PromptRun::consumed(NodeIndex source) {
  if (consumers_[source] == 0) return;
  --consumers_[source];
  if (consumers_[source] == 0 && state_.cache.drops_used())
    state_.cache.drop_outputs(book_.key(source));
}

/// A node is done: what it used may go, and what else the cache's policy wants gone.
void PromptRun::release_used(NodeIndex node) {
  if (!state_.cache.follows_use()) return;
  for (const NodeIndex source : sources_of(prompt_[node])) consumed(source);
  state_.cache.make_room(
      [&, needed = std::optional<std::unordered_set<CacheKey>>{}](const CacheKey& key) mutable {
        if (!needed) {
          needed.emplace();
          for (NodeIndex source = 0; source < consumers_.size(); ++source)
            if (consumers_[source] > 0) needed->insert(book_.key(source));
        }
        return needed->contains(key);
      });
}

}  // namespace comfy::engine
