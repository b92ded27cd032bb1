// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/inquiries.h"

#include <utility>

namespace comfy::jobs {

std::optional<link::Verdict> Inquiries::ask(link::Question question,
                                            const std::function<void(const link::Question&)>& send,
                                            std::chrono::milliseconds patience) {
  {
    const std::lock_guard lock{mutex_};
    question.id = std::to_string(++last_);
    open_.emplace(question.id, std::nullopt);
  }
  send(question);
  std::unique_lock lock{mutex_};
  const auto place = open_.find(question.id);
  answered_.wait_for(lock, patience, [&] { return place->second.has_value(); });
  std::optional<link::Verdict> verdict = std::move(place->second);
  open_.erase(place);
  return verdict;
}

void Inquiries::answer(link::Verdict verdict) {
  {
    const std::lock_guard lock{mutex_};
    const auto place = open_.find(verdict.id);
    if (place == open_.end()) return;
    place->second = std::move(verdict);
  }
  answered_.notify_all();
}

}  // namespace comfy::jobs
