// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/cancellation.h"
#include "worker/engine/context.h"
#include "worker/engine/dynamic_prompt.h"
#include "worker/engine/node_type.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace comfy::engine {

/// The calls of one node, of which some may still be going on elsewhere.
struct NodeCalls {
  std::vector<std::unique_ptr<Context>> contexts;  ///< of calls that go on, which they outlive
  std::vector<Returned> returned;
  bool finished() const;
  /// Takes the results of calls that went on; throws what the first failing one threw.
  void collect();
};

/// Nodes whose calls go on elsewhere.
class ParkedCalls {
 public:
  void park(NodeIndex node, NodeCalls calls);
  bool holds(NodeIndex node) const { return calls_.contains(node); }
  NodeCalls take(NodeIndex node);
  /// Nodes all of whose calls have finished since the last time.
  std::vector<NodeIndex> finished();
  bool empty() const { return calls_.empty(); }
  /// Waits for all calls to end and forgets them.
  void clear() { calls_.clear(); }
  /// Waits until there is one; throws Error(interrupted) when the prompt is cancelled meanwhile.
  void wait(const Cancellation& cancellation);

 private:
  struct Signal {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<NodeIndex> finished;
  };
  std::shared_ptr<Signal> signal_ = std::make_shared<Signal>();
  std::unordered_map<NodeIndex, NodeCalls> calls_;
};

}  // namespace comfy::engine
