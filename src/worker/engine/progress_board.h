// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "worker/engine/dynamic_prompt.h"
#include "worker/engine/executor.h"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace comfy::engine {

/// Hands events to a sink, one at a time, and keeps what each node of a prompt has done.
///
/// progress_state is sent at most once per interval; the last state always goes out.
class ProgressBoard final : public Reporter {
 public:
  ProgressBoard(const DynamicPrompt& prompt, std::string prompt_id, EventSink& sink,
                const Clock& clock, std::chrono::milliseconds interval);
  ~ProgressBoard() override;

  void send(std::string_view type, Json data);
  /// Sends the state if it is still to be sent, then an event that ends the prompt.
  void send_last(std::string_view type, Json data);

  /// Runs a change of the prompt while nothing reads it.
  void exclusively(const std::function<void()>& change);

  void start(NodeIndex node);
  void finish(NodeIndex node);
  void progress(const std::string& node_id, Json value, Json max,
                std::optional<Preview> preview) override;
  void text(const std::string& node_id, std::string text) override;

 private:
  struct Entry {
    NodeIndex node = kNoNode;
    Json value = {}, max = {};
    bool finished = false, changed = true;
  };

  Entry& entry(NodeIndex node);
  void changed(Entry& entry);
  void send_state();
  void flush_later();
  Json place(NodeIndex node) const;
  Json state_json();

  const DynamicPrompt& prompt_;
  std::string prompt_id_;
  EventSink& sink_;
  const Clock& clock_;
  std::chrono::milliseconds interval_;

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<Entry> entries_;
  std::unordered_map<NodeIndex, std::size_t> index_;
  bool unsent_ = false, sent_any_ = false;
  Clock::Monotonic last_sent_{};
  std::jthread flusher_;  // started with the first state that has to wait
};

}  // namespace comfy::engine
