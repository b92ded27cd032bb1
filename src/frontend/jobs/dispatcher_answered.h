// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/jobs/dispatcher.h"

#include <utility>

namespace comfy::jobs {

/// Calls `then` with the store's answer, under the mutex, as long as the dispatcher is there.
template <class T, class F>
Done<T> Dispatcher::answered(F then) {
  ++door_->writes;  // with or without the mutex
  return [door = door_, then = std::move(then)](Answer<T> answer) {
    const std::lock_guard lock{door->mutex};
    if (--door->writes == 0) door->quiet.notify_all();
    if (door->inside != nullptr) then(std::move(answer));
  };
}

}  // namespace comfy::jobs
