// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/jobs/store.h"

#include <unistd.h>

#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace comfy::jobs {

/// A new folder's name in memory where there is such a place: tests that open hundreds of stores
/// need not wait for a disk.
inline std::filesystem::path memory_folder(const std::string& name) {
  const std::string own = name + "-" + std::to_string(getpid());
  if (access("/dev/shm", W_OK) == 0) return std::filesystem::path{"/dev/shm"} / own;
  return std::filesystem::temp_directory_path() / own;
}

// The calls of a JobStore as tests like them: they wait for the answer.

template <class T, class Call>
Answer<T> wait_for(Call call) {
  auto promise = std::make_shared<std::promise<Answer<T>>>();
  call([promise](Answer<T> answer) { promise->set_value(std::move(answer)); });
  return promise->get_future().get();
}

inline NewJob job(const std::string& id, const std::string& hash = "h") {
  return {.prompt_id = id,
          .body_hash = hash,
          .prompt = R"({"1": {"class_type": "X"}})",
          .extra_data = "{}",
          .outputs_to_execute = R"(["1"])",
          .node_errors = "{}",
          .created = WallTime{1000}};
}

inline Answer<AcceptedJob> accept(JobStore& store, NewJob what) {
  return wait_for<AcceptedJob>(
      [&](Done<AcceptedJob> done) { store.accept(std::move(what), std::move(done)); });
}

inline std::optional<Claimed> claim(JobStore& store, const std::string& id,
                                    const std::string& token) {
  return wait_for<std::optional<Claimed>>([&](auto done) {
           store.claim({.prompt_id = id, .token = token, .worker = "w", .at = WallTime{2000}},
                       done);
         })
      .get();
}

inline FinishResult finish(JobStore& store, const std::string& id, int attempt,
                           const std::string& token, State state = State::succeeded) {
  return wait_for<FinishResult>([&](auto done) {
           store.finish(
               {.prompt_id = id,
                .attempt = attempt,
                .token = token,
                .state = state,
                .outputs = R"({"1": {"images": []}})",
                .meta = "{}",
                .status = R"({"status_str": "success", "completed": true, "messages": []})",
                .cancelled_status =
                    R"({"status_str": "error", "completed": false, "messages": []})",
                .started = WallTime{2000},
                .ended = WallTime{3000}},
               done);
         })
      .get();
}

inline LostResult lose(JobStore& store, const std::string& id, int attempt,
                       const std::string& token, bool counted = true) {
  return wait_for<LostResult>([&](auto done) {
           store.lost({.prompt_id = id,
                       .attempt = attempt,
                       .token = token,
                       .reason = "worker_lost (signal 11, SIGSEGV)",
                       .counted = counted,
                       .at = WallTime{3000},
                       .failed_status = R"({"status_str": "error", "messages": [["%ATTEMPTS%"]]})",
                       .failed_error = R"({"exception_message": "%ATTEMPTS%"})",
                       .cancelled_status = R"({"status_str": "error", "messages": []})"},
                      done);
         })
      .get();
}

inline CancelResult cancel(JobStore& store, const std::string& id,
                           JobStore::CancelRequest::Scope scope = {}) {
  return wait_for<std::vector<CancelResult>>([&](auto done) {
           store.cancel({.ids = {id}, .scope = scope, .at = WallTime{2500}}, done);
         })
      .get()
      .at(0);
}

inline State state(JobStore& store, const std::string& id) { return store.find(id)->state; }

}  // namespace comfy::jobs
