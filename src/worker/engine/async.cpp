// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/async.h"

#include <c10/core/InferenceMode.h>

namespace comfy::engine {

std::jthread start_thread(std::function<void()> work) {
  return std::jthread{[work = std::move(work)] {
    const c10::InferenceMode no_gradients;
    work();
  }};
}

}  // namespace comfy::engine
