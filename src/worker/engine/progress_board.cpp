// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/progress_board.h"

#include <utility>

namespace comfy::engine {

namespace {

/// Up to so many nodes, the whole state is sent; above, what runs and what has changed.
constexpr std::size_t kWholeState = 256;

}  // namespace

ProgressBoard::ProgressBoard(const DynamicPrompt& prompt, std::string prompt_id, EventSink& sink,
                             const Clock& clock, std::chrono::milliseconds interval)
    : prompt_{prompt},
      prompt_id_{std::move(prompt_id)},
      sink_{sink},
      clock_{clock},
      interval_{interval} {}

ProgressBoard::~ProgressBoard() {
  if (!flusher_.joinable()) return;
  flusher_.request_stop();
  flusher_.join();
}

void ProgressBoard::send(std::string_view type, Json data) {
  const std::scoped_lock lock{mutex_};
  sink_.event({type, std::move(data)});
}

void ProgressBoard::send_last(std::string_view type, Json data) {
  const std::scoped_lock lock{mutex_};
  if (unsent_) send_state();
  sink_.event({type, std::move(data), true});
}

void ProgressBoard::exclusively(const std::function<void()>& change) {
  const std::scoped_lock lock{mutex_};
  change();
}

void ProgressBoard::start(NodeIndex node) {
  const std::scoped_lock lock{mutex_};
  Entry& started = entry(node);
  started.value = 0.0;
  started.max = 1.0;
  changed(started);
}

void ProgressBoard::finish(NodeIndex node) {
  const std::scoped_lock lock{mutex_};
  Entry& done = entry(node);
  done.value = done.max;
  done.finished = true;
  changed(done);
}

void ProgressBoard::progress(const std::string& node_id, Json value, Json max,
                             std::optional<Preview> preview) {
  const std::scoped_lock lock{mutex_};
  const NodeIndex node = prompt_.find(node_id);
  if (node == kNoNode) return;
  Entry& running = entry(node);
  running.value = value;
  running.max = max;
  changed(running);
  if (preview) sink_.preview({place(node), *std::move(preview)});
  sink_.event({"progress", Json::Object{{"value", std::move(value)},
                                        {"max", std::move(max)},
                                        {"prompt_id", prompt_id_},
                                        {"node", node_id}}});
}

void ProgressBoard::text(const std::string& node_id, std::string text) {
  const std::scoped_lock lock{mutex_};
  sink_.text({node_id, std::move(text)});
}

ProgressBoard::Entry& ProgressBoard::entry(NodeIndex node) {
  const auto [found, is_new] = index_.emplace(node, entries_.size());
  if (is_new) {
    Entry& made = entries_.emplace_back();
    made.node = node;
    made.value = 0;
    made.max = 1;
  }
  return entries_[found->second];
}

void ProgressBoard::changed(Entry& entry) {
  entry.changed = true;
  unsent_ = true;
  const auto now = clock_.monotonic();
  if (!sent_any_ || interval_.count() == 0 || now - last_sent_ >= interval_)
    send_state();
  else
    flush_later();
}

void ProgressBoard::send_state() {
  sink_.event({"progress_state", state_json()});
  unsent_ = false;
  sent_any_ = true;
  last_sent_ = clock_.monotonic();
}

void ProgressBoard::flush_later() {
  if (flusher_.joinable()) return wake_.notify_one();
  flusher_ = std::jthread{[this](const std::stop_token& stop) {
    std::unique_lock lock{mutex_};
    while (wake_.wait(lock, stop, [this] { return unsent_; })) {
      // Wait for the rest of the interval, or for the end of the prompt.
      wake_.wait_for(lock, stop, interval_, [] { return false; });
      if (stop.stop_requested()) return;
      if (unsent_ && clock_.monotonic() - last_sent_ >= interval_) send_state();
    }
  }};
}

Json ProgressBoard::place(NodeIndex node) const {
  const PromptNode& at = prompt_[node];
  return Json::Object{
      {"node_id", at.id},
      {"prompt_id", prompt_id_},
      {"display_node_id", at.display_id},
      {"parent_node_id", at.parent == kNoNode ? Json{} : Json{prompt_[at.parent].id}},
      {"real_node_id", at.real_id}};
}

Json ProgressBoard::state_json() {
  const bool whole = entries_.size() <= kWholeState;
  Json::Object nodes;
  for (Entry& entry : entries_) {
    if (!whole && entry.finished && !entry.changed) continue;
    entry.changed = false;
    Json::Object shown{{"value", entry.value},
                       {"max", entry.max},
                       {"state", entry.finished ? "finished" : "running"}};
    const Json where = place(entry.node);
    for (const auto& [key, value] : where.as_object()) shown[key] = value;
    nodes[prompt_[entry.node].id] = std::move(shown);
  }
  return Json::Object{{"prompt_id", prompt_id_}, {"nodes", std::move(nodes)}};
}

}  // namespace comfy::engine
