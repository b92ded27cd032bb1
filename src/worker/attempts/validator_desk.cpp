// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/attempts/validator_desk.h"

#include "foundation/base/error.h"

#include <utility>

namespace comfy::attempts {
namespace {

constexpr std::size_t kMostWaiting = 1'000;

}  // namespace

ValidatorDesk::ValidatorDesk(const engine::Registry& registry, Answer answer)
    : registry_{registry}, answer_{std::move(answer)}, thread_{[this] { run(); }} {}

ValidatorDesk::~ValidatorDesk() {
  {
    const std::lock_guard lock{mutex_};
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void ValidatorDesk::ask(link::Question question) {
  {
    const std::lock_guard lock{mutex_};
    if (questions_.size() >= kMostWaiting) return;
    questions_.push_back(std::move(question));
  }
  wake_.notify_one();
}

void ValidatorDesk::run() {
  std::unique_lock lock{mutex_};
  while (true) {
    wake_.wait(lock, [this] { return ending_ || !questions_.empty(); });
    if (ending_) return;
    const link::Question question = std::move(questions_.front());
    questions_.pop_front();
    lock.unlock();
    answer_(judge(question));
    lock.lock();
  }
}

link::Verdict ValidatorDesk::judge(const link::Question& question) const {
  link::Verdict verdict{.id = question.id};
  const engine::NodeType* type = registry_.find(question.node_class);
  if (type == nullptr) return verdict;
  try {
    verdict.complaint = engine::validator_of(registry_)({type->definition, question.node_id,
                                                         question.literals.as_object(),
                                                         question.types.as_object()});
  } catch (const std::exception& error) {
    verdict.failure = error.what();
  }
  return verdict;
}

}  // namespace comfy::attempts
