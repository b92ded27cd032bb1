// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/clock.h"
#include "foundation/base/json.h"
#include "foundation/base/rate_limit.h"
#include "foundation/link/bodies.h"
#include "frontend/jobs/event_sink.h"

#include <cstddef>
#include <optional>
#include <string>

namespace comfy::jobs {

/// Whom a prompt's messages are for.
struct Audience {
  std::string prompt_id = {};
  std::string owner = {};
  std::string client_id = {};  ///< empty when the prompt named none
};

/// Tells clients what happens, by ComfyUI's rules of who is told what.
class Announcer {
 public:
  Announcer(EventSink& sink, const Clock& clock) : sink_{sink}, clock_{clock} {}

  /// One message about a prompt. Without a client most messages are for nobody, progress and
  /// interruption for everybody.
  void event(const Audience& audience, std::string_view type, const Json& data,
             std::uint64_t seq = 0);
  void preview(const Audience& audience, link::Preview preview, bool asked);
  /// `executing` with node null: nothing of this prompt runs any more.
  void idle(const Audience& audience);
  /// The number of prompts that wait or run, to everybody; at most 20 a second after a burst.
  void status(std::size_t remaining);
  /// Sends a status that was held back.
  void tick();

 private:
  void send_status(std::size_t remaining);
  EventSink& sink_;
  const Clock& clock_;
  RateLimit statuses_{20, 20};
  std::optional<std::size_t> held_status_;
};

}  // namespace comfy::jobs
