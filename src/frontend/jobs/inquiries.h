// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/bodies.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>

namespace comfy::jobs {

/// Questions to workers that somebody waits for. Thread-safe.
class Inquiries {
 public:
  /// Blocking. Hands the question, with an id of its own, to `send` and waits for its answer, up to
  /// `patience` by the clock of the machine; nothing when none came.
  std::optional<link::Verdict> ask(link::Question question,
                                   const std::function<void(const link::Question&)>& send,
                                   std::chrono::milliseconds patience);
  /// An answer; one that nobody waits for any more is dropped.
  void answer(link::Verdict verdict);

 private:
  std::mutex mutex_;
  std::condition_variable answered_;
  std::uint64_t last_ = 0;
  std::map<std::string, std::optional<link::Verdict>> open_;
};

}  // namespace comfy::jobs
