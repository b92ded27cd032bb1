// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/error.h"
#include "foundation/graph/validate.h"
#include "worker/engine/executor.h"

#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace comfy::engine {

/// Keeps what it is told.
class EventList final : public EventSink {
 public:
  void event(Event event) override {
    if (on_event) on_event(event);
    events.push_back({std::string{event.type}, std::move(event.data), event.terminal});
  }
  void preview(PreviewEvent preview) override { previews.push_back(std::move(preview)); }
  void text(NodeText text) override { texts.push_back(std::move(text)); }

  struct Kept {
    std::string type;
    Json data;
    bool terminal;
  };
  std::vector<Kept> events;
  std::vector<PreviewEvent> previews;
  std::vector<NodeText> texts;
  std::function<void(const Event&)> on_event;

  /// The data of all events of one type.
  std::vector<Json> of(std::string_view type) const {
    std::vector<Json> found;
    for (const Kept& event : events)
      if (event.type == type) found.push_back(event.data);
    return found;
  }
  /// The ids that were announced as executing, with blanks between.
  std::string order() const {
    std::string ids;
    for (const Json& data : of("executing"))
      ids += (ids.empty() ? "" : " ") + data.at("node").as_string();
    return ids;
  }
};

/// Gives out names as the real one does, and keeps no bytes.
class NamingPublisher final : public Publisher {
 public:
  PublishedFile publish(PublishRequest request) override {
    const std::size_t slash = request.prefix.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : request.prefix.substr(0, slash);
    const std::string name =
        slash == std::string::npos ? request.prefix : request.prefix.substr(slash + 1);
    std::string counter = std::to_string(++counters_[request.prefix]);
    counter.insert(0, 5 - counter.size(), '0');
    return {name + "_" + counter + "_" + request.extension, folder,
            request.root == PublishRequest::Root::temp ? "temp" : "output"};
  }

 private:
  std::map<std::string, int> counters_;
};

/// A registry, an executor and a publisher that live through several prompts.
class Bench {
 public:
  explicit Bench(Registry registry, ExecutorOptions options = {},
                 nodes::Services* services = nullptr)
      : registry_{std::move(registry)}, executor_{registry_, services, immediate(options)} {}

  /// Validates and runs a prompt. Throws when it is not accepted.
  ExecutionResult run(const Json& prompt, std::vector<std::string> outputs = {}) {
    graph::ValidationResult checked = graph::validate(prompt, registry_.catalogue());
    if (!checked.accepted) throw std::runtime_error(to_json(checked.refusal()));
    sink.events.clear();
    sink.previews.clear();
    sink.texts.clear();
    execution.prompt_id = "p";
    execution.prompt = std::move(checked.prompt);
    execution.outputs = outputs.empty() ? checked.outputs : std::move(outputs);
    execution.publisher = &publisher;
    return executor_.run(execution, sink);
  }
  ExecutionResult run(const char* prompt) { return run(parse_json(prompt)); }
  Executor& executor() { return executor_; }
  const Registry& registry() const { return registry_; }

  Execution execution;
  EventList sink;
  NamingPublisher publisher;

 private:
  static ExecutorOptions immediate(ExecutorOptions options) {
    options.progress_interval = std::chrono::milliseconds{0};
    return options;
  }
  Registry registry_;
  Executor executor_;
};

}  // namespace comfy::engine
