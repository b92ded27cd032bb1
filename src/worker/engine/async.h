// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace comfy::engine {

/// A thread that computes like the executor's own: without gradients.
std::jthread start_thread(std::function<void()> work);

/// What a node's `run` returns when it waits for something outside: other nodes run meanwhile.
/// The work must not touch the device; it may use the Context, which stays valid until it is done.
template <class Out>
class Async {
 public:
  /// Starts `work` on a thread of its own.
  static Async start(std::function<Out()> work) {
    Async started;
    started.thread_ = start_thread([state = started.state_, work = std::move(work)] {
      try {
        state->finish(work(), nullptr);
      } catch (...) {
        state->finish({}, std::current_exception());
      }
    });
    return started;
  }

  bool ready() const {
    const std::scoped_lock lock{state_->mutex};
    return state_->done;
  }
  void on_ready(std::function<void()> callback) {
    std::unique_lock lock{state_->mutex};
    if (!state_->done) {
      state_->callback = std::move(callback);
      return;
    }
    lock.unlock();
    callback();
  }
  Out take() {
    if (thread_.joinable()) thread_.join();
    if (state_->error) std::rethrow_exception(state_->error);
    return std::move(*state_->out);
  }

 private:
  struct State {
    std::mutex mutex;
    bool done = false;
    std::optional<Out> out;
    std::exception_ptr error;
    std::function<void()> callback;

    void finish(std::optional<Out> result, std::exception_ptr failure) {
      std::unique_lock lock{mutex};
      out = std::move(result);
      error = std::move(failure);
      done = true;
      const auto call = std::exchange(callback, nullptr);
      lock.unlock();
      if (call) call();
    }
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
  std::jthread thread_;
};

}  // namespace comfy::engine
