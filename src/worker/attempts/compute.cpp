// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/attempts/compute.h"

#include "foundation/base/error.h"
#include "inference/tensor/ops.h"
#include "worker/attempts/file_publisher.h"
#include "worker/attempts/log.h"

#include <utility>

namespace comfy::attempts {
namespace {

// Names that a renewal tells, so that it stays small.
constexpr std::size_t kMostLoaded = 32;

link::End end_of(engine::ExecutionResult::Status status) {
  using Status = engine::ExecutionResult::Status;
  if (status == Status::success) return link::End::succeeded;
  return status == Status::interrupted ? link::End::cancelled : link::End::failed;
}

Json with_secrets(Json extra_data, const Json& secrets) {
  for (const auto& [name, value] : secrets.as_object()) extra_data[name] = value;
  return extra_data;
}

}  // namespace

Compute::Compute(Parts parts) : parts_{std::move(parts)} {}

Compute::~Compute() {
  {
    const std::lock_guard lock{mutex_};
    ending_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Compute::attach(Session& session) {
  session_ = &session;
  pipe_.emplace(session, parts_.clock, parts_.previews);
  thread_ = std::thread{[this] { run(); }};
}

void Compute::start(link::Go go, Cancellation cancellation) {
  {
    const std::lock_guard lock{mutex_};
    job_ = {std::move(go), std::move(cancellation)};
  }
  wake_.notify_one();
}

void Compute::free(bool unload_models, bool free_memory) {
  {
    const std::lock_guard lock{mutex_};
    if (!freeing_) freeing_.emplace();
    freeing_->models |= unload_models || free_memory;
    freeing_->results |= free_memory;
  }
  wake_.notify_one();
}

Json Compute::report() {
  Json::Array loaded;
  {
    const std::lock_guard lock{mutex_};
    for (const std::string& name : loaded_) loaded.emplace_back(name);
  }
  return Json::Object{{"devices", parts_.devices()}, {"loaded", std::move(loaded)}};
}

/// What memory pressure drops meanwhile is not known here; to be told so costs a slower choice of a
/// worker and nothing else.
void Compute::note_loaded(std::vector<std::string> models) {
  const std::lock_guard lock{mutex_};
  for (std::string& name : models) {
    std::erase(loaded_, name);
    loaded_.push_front(std::move(name));
  }
  if (loaded_.size() > kMostLoaded) loaded_.resize(kMostLoaded);
}

void Compute::forget(const link::AttemptId& id, const std::string& owner) {
  FilePublisher::forget(parts_.folders, id.prompt_id, owner);
}

void Compute::forget_loaded() {
  parts_.unload_models();
  const std::lock_guard lock{mutex_};
  loaded_.clear();
}

void Compute::run() {
  const c10::InferenceMode no_gradients;
  std::unique_lock lock{mutex_};
  while (true) {
    wake_.wait(lock, [this] { return ending_ || job_ || freeing_; });
    if (ending_) return;
    // What a user wants freed goes before the next prompt, not during this one.
    const std::optional<Freeing> freeing = std::exchange(freeing_, {});
    std::optional<Job> job = std::exchange(job_, {});
    lock.unlock();
    if (freeing && freeing->models) forget_loaded();
    if (freeing && freeing->results) parts_.executor.reset();
    if (job) run(*std::move(job));
    lock.lock();
  }
}

void Compute::run(Job job) {
  link::Go& go = job.go;
  const link::AttemptId id = go.id;
  if (parts_.models) note_loaded(parts_.models(go));
  const auto started = parts_.clock.wall();
  FilePublisher publisher{{.folders = parts_.folders,
                           .clock = parts_.clock,
                           .pass_fence = [this, id] { session_->pass_fence(id); }},
                          id.prompt_id,
                          go.owner};
  EventForwarder forwarder{*pipe_, id, parts_.clock};
  const engine::Execution execution{
      .prompt_id = id.prompt_id,
      .prompt = std::move(go.prompt),
      .outputs = std::move(go.outputs),
      .extra_data = with_secrets(std::move(go.extra_data), go.secrets),
      .client_id = go.client_id,
      .user = user_of(go.owner),
      .preview_method = parts_.preview_method,
      .cancellation = job.cancellation,
      .publisher = &publisher};
  engine::ExecutionResult result = parts_.executor.run(execution, forwarder);
  pipe_->finish({.id = id,
                 .end = end_of(result.status),
                 .outputs = std::move(result.outputs),
                 .meta = std::move(result.meta),
                 .messages = std::move(result.messages),
                 .started = started,
                 .ended = parts_.clock.wall()});
}

}  // namespace comfy::attempts
