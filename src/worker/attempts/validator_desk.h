// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/bodies.h"
#include "worker/engine/registry.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace comfy::attempts {

/// Asks nodes' own validators for the server, on a thread of its own: they may be slow, and neither
/// the link nor what is being computed waits for them.
class ValidatorDesk {
 public:
  using Answer = std::function<void(const link::Verdict&)>;

  ValidatorDesk(const engine::Registry& registry, Answer answer);
  /// Ends after the question that is being answered.
  ~ValidatorDesk();

  /// Puts a question at the end of those that wait; returns at once. When many wait already it is
  /// dropped: the server goes on without an answer.
  void ask(link::Question question);

 private:
  void run();
  link::Verdict judge(const link::Question& question) const;

  const engine::Registry& registry_;
  Answer answer_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<link::Question> questions_;
  bool ending_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace comfy::attempts
