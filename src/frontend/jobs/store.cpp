// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/store.h"

namespace comfy::jobs {

std::string_view state_name(State state) {
  switch (state) {
    case State::queued:
      return "queued";
    case State::running:
      return "running";
    case State::succeeded:
      return "succeeded";
    case State::failed:
      return "failed";
    case State::cancelled:
      return "cancelled";
    case State::expired:
      return "expired";
  }
  return "";
}

std::string_view api_name(State state) {
  switch (state) {
    case State::queued:
      return "pending";
    case State::running:
      return "in_progress";
    case State::succeeded:
      return "completed";
    case State::cancelled:
      return "cancelled";
    case State::failed:
    case State::expired:
      return "failed";
  }
  return "";
}

bool is_terminal(State state) { return state != State::queued && state != State::running; }

}  // namespace comfy::jobs
