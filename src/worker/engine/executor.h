// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/cancellation.h"
#include "foundation/base/clock.h"
#include "foundation/base/json.h"
#include "foundation/base/random.h"
#include "worker/engine/context.h"
#include "worker/engine/registry.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace comfy::engine {

/// One prompt to run, as validation accepted it.
struct Execution {
  std::string prompt_id = {};
  Json prompt = {};
  std::vector<std::string> outputs = {};  ///< the output nodes to run, in their order
  Json extra_data = Json::Object{};
  std::string client_id = {};
  std::string user = "default";  ///< whose input files it reads
  /// "none", "latent2rgb", "taesd" or "auto"; extra_data.preview_method goes before it.
  std::string preview_method = {};
  /// Stops the prompt. A prompt that fails raises it itself, for asynchronous nodes that still run.
  Cancellation cancellation = {};
  Publisher* publisher = nullptr;
};

/// What to hand to the client that owns the prompt, in the form of the WebSocket messages. Messages
/// that tell the end of the prompt are marked: whoever keeps jobs announces that after its commit.
struct Event {
  std::string_view type;
  Json data;
  bool terminal =
      false;  ///< execution_success, execution_error (not of a blocker), execution_interrupted
};

/// A preview with the fields that go with it (node_id, prompt_id, display_node_id, ..).
struct PreviewEvent {
  Json place;
  Preview picture;
};

/// What a node shows on itself while the prompt runs.
struct NodeText {
  std::string node_id;
  std::string text;
};

/// Takes events in order. Calls come from the executor's thread and, for progress, from a thread of
/// its own or of an asynchronous node, never two at once. It must be quick and must not throw.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void event(Event event) = 0;
  virtual void preview(PreviewEvent preview) = 0;
  virtual void text(NodeText text) = 0;
};

/// How a prompt ended, with all that history keeps of it.
struct ExecutionResult {
  enum class Status { success, error, interrupted };
  Status status = Status::success;
  Json::Object outputs;  ///< UI by node, of nodes that were cached too
  Json::Object meta;     ///< node_id, display_node, parent_node and real_node_id by node
  Json::Array messages;  ///< [type, data] of the lifecycle, the last one telling the end

  /// {"status_str", "completed", "messages"}.
  Json status_json() const;
};

enum class CachePolicy {
  classic,  ///< results of the last prompt
  lru,      ///< those of the last nodes, up to a number
  none,     ///< a result goes when its last consumer has run
  ram       ///< all, as long as there is memory
};

struct CacheOptions {
  CachePolicy policy = CachePolicy::classic;
  std::size_t lru_size = 0;        ///< nodes, for CachePolicy::lru
  std::uint64_t ram_headroom = 0;  ///< bytes to leave free, for CachePolicy::ram
  std::function<std::uint64_t()> available_memory = {};  ///< bytes, for CachePolicy::ram
};

struct ExecutorOptions {
  CacheOptions cache = {};
  /// progress_state is sent no more often than this.
  std::chrono::milliseconds progress_interval{50};
  const Clock* clock = &system_clock();
  Random* random = &system_random();
  /// Called when a node runs out of device memory, before the prompt ends: drop what can be
  /// dropped.
  std::function<void()> on_out_of_memory = {};
};

/// Runs prompts one after the other on the calling thread and keeps their results between them.
class Executor {
 public:
  Executor(const Registry& registry, nodes::Services* services, ExecutorOptions options = {});
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// Runs one prompt to its end. Whatever goes wrong in it is in the result; it does not throw.
  ExecutionResult run(const Execution& execution, EventSink& sink);
  /// Forgets all results and node states (free_memory).
  void reset();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace comfy::engine
