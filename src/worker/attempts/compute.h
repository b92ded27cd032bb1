// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/paths/folders.h"
#include "worker/attempts/event_pipe.h"
#include "worker/attempts/session.h"
#include "worker/engine/executor.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace comfy::attempts {

/// The one thread that computes: runs attempts through the executor, one after the other.
class Compute final : public Runner {
 public:
  struct Parts {
    engine::Executor& executor;
    const paths::Folders& folders;
    const Clock& clock;
    std::string preview_method;
    EventPipe::Options previews = {};
    /// Drops every model from memory.
    std::function<void()> unload_models;
    /// What this worker runs on, with the memory of now: a list of objects.
    std::function<Json()> devices;
    /// The model files that a prompt reads.
    std::function<std::vector<std::string>(const link::Go& go)> models = {};
  };

  explicit Compute(Parts parts);
  /// Ends after what runs now.
  ~Compute() override;

  /// Starts the thread. `session` is told of events and ends.
  void attach(Session& session);

  void start(link::Go go, Cancellation cancellation) override;
  void free(bool unload_models, bool free_memory) override;
  Json report() override;
  void forget(const link::AttemptId& id, const std::string& owner) override;

 private:
  struct Job {
    link::Go go;
    Cancellation cancellation;
  };
  struct Freeing {
    bool models = false;
    bool results = false;
  };

  void run();
  void run(Job job);
  void forget_loaded();
  void note_loaded(std::vector<std::string> models);

  Parts parts_;
  Session* session_ = nullptr;
  std::optional<EventPipe> pipe_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<Job> job_;
  std::optional<Freeing> freeing_;
  std::deque<std::string> loaded_;  // model files of the latest prompts, newest in front
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace comfy::attempts
