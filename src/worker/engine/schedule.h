// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "worker/engine/dynamic_prompt.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_set>
#include <vector>

namespace comfy::engine {

/// Which nodes are still to run, who waits for whom, and whose turn it is: ComfyUI's order, in
/// O(log n) a step.
///
/// Of the nodes that wait for nothing, in the order in which they became pending, the turn goes to
/// the first output or asynchronous node, else to the first that directly holds up an output, else
/// to the first that holds up such a node, else to the first.
class Schedule {
 public:
  /// `is_cached` tells whether a node's outputs are there, so that nobody needs to wait for it.
  Schedule(const DynamicPrompt& prompt, std::function<bool(NodeIndex)> is_cached);

  /// Makes a node pending, cached or not, with all that it needs and is not cached.
  void add(NodeIndex node);
  /// Lets `to` wait for `from`, unless that is cached.
  void add_link(NodeIndex from, NodeIndex to);

  bool empty() const { return pending_ == 0; }
  /// The node whose turn it is; nothing when all wait.
  std::optional<NodeIndex> next() const;
  /// Takes a node that is done away; those that waited for it wait no longer.
  void complete(NodeIndex node);

  /// Holds a node back until something outside has happened.
  void hold(NodeIndex node);
  void release(NodeIndex node);
  bool anything_held() const { return held_ > 0; }

  /// The pending nodes that wait for each other, and those behind them, when nothing can run.
  std::vector<NodeIndex> cycle() const;

 private:
  struct State {
    bool pending = false;
    std::uint64_t order = 0;
    std::size_t waits_for = 0;
    std::vector<NodeIndex> holds_up = {}, waits_on = {};
    bool holds_up_output = false, holds_up_holder = false;
  };
  using Place = std::tuple<int, std::uint64_t, NodeIndex>;  // rank, order, node

  State& state(NodeIndex node);
  bool is_output(NodeIndex node) const;
  Place place(NodeIndex node) const;
  void start_waiting(NodeIndex node);
  void stop_waiting(NodeIndex node);
  void mark_holds_up_output(NodeIndex node);
  void mark_holds_up_holder(NodeIndex node);
  template <class Change>
  void rank_anew(NodeIndex node, Change change);

  const DynamicPrompt& prompt_;
  std::function<bool(NodeIndex)> is_cached_;
  std::vector<State> states_;
  std::unordered_set<std::uint64_t> links_;
  std::set<Place> ready_;
  std::uint64_t next_order_ = 0;
  std::size_t pending_ = 0, held_ = 0;
};

}  // namespace comfy::engine
