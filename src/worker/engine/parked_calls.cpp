// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/parked_calls.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

namespace comfy::engine {

bool NodeCalls::finished() const {
  return std::all_of(returned.begin(), returned.end(),
                     [](const Returned& call) { return !call.pending || call.pending->ready(); });
}

void NodeCalls::collect() {
  for (Returned& call : returned)
    if (const auto pending = std::exchange(call.pending, nullptr)) call = pending->take();
}

void ParkedCalls::park(NodeIndex node, NodeCalls calls) {
  std::vector<std::shared_ptr<PendingCall>> going_on;
  for (const Returned& call : calls.returned)
    if (call.pending) going_on.push_back(call.pending);
  const auto left = std::make_shared<std::atomic<std::size_t>>(going_on.size());
  calls_.emplace(node, std::move(calls));
  for (const auto& pending : going_on)
    pending->on_ready([signal = signal_, left, node] {
      if (left->fetch_sub(1) != 1) return;
      const std::scoped_lock lock{signal->mutex};
      signal->finished.push_back(node);
      signal->changed.notify_all();
    });
}

NodeCalls ParkedCalls::take(NodeIndex node) {
  NodeCalls calls = std::move(calls_.at(node));
  calls_.erase(node);
  return calls;
}

std::vector<NodeIndex> ParkedCalls::finished() {
  const std::scoped_lock lock{signal_->mutex};
  return std::exchange(signal_->finished, {});
}

void ParkedCalls::wait(const Cancellation& cancellation) {
  using namespace std::chrono_literals;
  std::unique_lock lock{signal_->mutex};
  while (!signal_->changed.wait_for(lock, 20ms, [this] { return !signal_->finished.empty(); }))
    cancellation.check();
}

}  // namespace comfy::engine
