// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/executor.h"

#include "worker/engine/prompt_run.h"

#include <utility>

namespace comfy::engine {

struct Executor::Impl {
  ExecutorState state;
};

Executor::Executor(const Registry& registry, nodes::Services* services, ExecutorOptions options)
    : impl_{std::make_unique<Impl>(Impl{{.registry = registry,
                                         .services = services,
                                         .options = options,
                                         .cache = ResultCache{options.cache},
                                         .states = {}}})} {}

Executor::~Executor() = default;

ExecutionResult Executor::run(const Execution& execution, EventSink& sink) {
  return PromptRun{impl_->state, execution, sink}.run();
}

void Executor::reset() {
  impl_->state.cache.clear();
  impl_->state.states.clear();
}

}  // namespace comfy::engine
