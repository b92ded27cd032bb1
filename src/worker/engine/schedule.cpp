// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/schedule.h"

#include <algorithm>
#include <utility>

namespace comfy::engine {

namespace {

std::uint64_t link_key(NodeIndex from, NodeIndex to) {
  return static_cast<std::uint64_t>(from) << 32 | static_cast<std::uint32_t>(to);
}

}  // namespace

Schedule::Schedule(const DynamicPrompt& prompt, std::function<bool(NodeIndex)> is_cached)
    : prompt_{prompt}, is_cached_{std::move(is_cached)} {}

Schedule::State& Schedule::state(NodeIndex node) {
  if (node >= states_.size()) states_.resize(std::max(prompt_.size(), node + 1));
  return states_[node];
}

bool Schedule::is_output(NodeIndex node) const {
  const PromptNode& at = prompt_[node];
  return at.type && at.definition().output_node;
}

void Schedule::add(NodeIndex root) {
  std::vector<NodeIndex> stack{root};
  std::vector<std::pair<NodeIndex, NodeIndex>> links;
  while (!stack.empty()) {
    const NodeIndex node = stack.back();
    stack.pop_back();
    if (state(node).pending) continue;
    state(node) = {.pending = true, .order = next_order_++};
    ++pending_;
    ready_.insert(place(node));
    for (const PromptInput& input : prompt_[node].inputs) {
      if (!input.is_link || input.source == kNoNode || input.lazy()) continue;
      if (is_cached_(input.source)) continue;
      stack.push_back(input.source);
      links.emplace_back(input.source, node);
    }
  }
  for (const auto& [from, to] : links) add_link(from, to);
}

void Schedule::add_link(NodeIndex from, NodeIndex to) {
  if (is_cached_(from)) return;
  add(from);
  if (!links_.insert(link_key(from, to)).second) return;
  state(from).holds_up.push_back(to);
  state(to).waits_on.push_back(from);
  start_waiting(to);
  if (is_output(to)) mark_holds_up_output(from);
  if (state(to).holds_up_output) mark_holds_up_holder(from);
}

std::optional<NodeIndex> Schedule::next() const {
  if (ready_.empty()) return {};
  return std::get<2>(*ready_.begin());
}

void Schedule::complete(NodeIndex node) {
  ready_.erase(place(node));
  State& done = state(node);
  done.pending = false;
  --pending_;
  for (const NodeIndex waiting : std::exchange(done.holds_up, {})) {
    links_.erase(link_key(node, waiting));
    if (state(waiting).pending) stop_waiting(waiting);
  }
}

void Schedule::hold(NodeIndex node) {
  ++held_;
  start_waiting(node);
}

void Schedule::release(NodeIndex node) {
  --held_;
  stop_waiting(node);
}

std::vector<NodeIndex> Schedule::cycle() const {
  std::vector<std::size_t> waits(states_.size());
  std::vector<NodeIndex> free, left;
  for (NodeIndex node = 0; node < states_.size(); ++node) {
    waits[node] = states_[node].waits_for;
    if (states_[node].pending && waits[node] == 0) free.push_back(node);
  }
  std::vector<bool> gone(states_.size());
  while (!free.empty()) {
    const NodeIndex node = free.back();
    free.pop_back();
    gone[node] = true;
    for (const NodeIndex waiting : states_[node].holds_up)
      if (states_[waiting].pending && --waits[waiting] == 0) free.push_back(waiting);
  }
  for (NodeIndex node = 0; node < states_.size(); ++node)
    if (states_[node].pending && !gone[node]) left.push_back(node);
  std::sort(left.begin(), left.end(),
            [this](NodeIndex a, NodeIndex b) { return states_[a].order < states_[b].order; });
  return left;
}

Schedule::Place Schedule::place(NodeIndex node) const {
  const State& at = states_[node];
  const PromptNode& named = prompt_[node];
  int rank = 3;
  if (is_output(node) || (named.type && named.definition().is_async))
    rank = 0;
  else if (at.holds_up_output)
    rank = 1;
  else if (at.holds_up_holder)
    rank = 2;
  return {rank, at.order, node};
}

void Schedule::start_waiting(NodeIndex node) {
  if (state(node).waits_for++ == 0) ready_.erase(place(node));
}

void Schedule::stop_waiting(NodeIndex node) {
  if (--state(node).waits_for == 0) ready_.insert(place(node));
}

template <class Change>
void Schedule::rank_anew(NodeIndex node, Change change) {
  const bool is_ready = ready_.erase(place(node)) > 0;
  change(state(node));
  if (is_ready) ready_.insert(place(node));
}

void Schedule::mark_holds_up_output(NodeIndex node) {
  if (state(node).holds_up_output) return;
  rank_anew(node, [](State& marked) { marked.holds_up_output = true; });
  for (const NodeIndex before : state(node).waits_on)
    if (state(before).pending) mark_holds_up_holder(before);
}

void Schedule::mark_holds_up_holder(NodeIndex node) {
  if (state(node).holds_up_holder) return;
  rank_anew(node, [](State& marked) { marked.holds_up_holder = true; });
}

}  // namespace comfy::engine
