// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/announcer.h"

#include "frontend/jobs/records.h"

#include <utility>

namespace comfy::jobs {
namespace {

bool is_for_everybody(std::string_view type) {
  return type == "progress" || type == "progress_state" || type == "execution_interrupted";
}

}  // namespace

void Announcer::event(const Audience& audience, std::string_view type, const Json& data,
                      std::uint64_t seq) {
  if (audience.client_id.empty() && !is_for_everybody(type)) return;
  TextEvent event{.owner = audience.owner,
                  .prompt_id = audience.prompt_id,
                  .type = std::string{type},
                  .seq = seq,
                  .text = std::make_shared<const std::string>(socket_text(type, data))};
  if (!audience.client_id.empty()) event.client_id = audience.client_id;
  sink_.send(event);
}

void Announcer::preview(const Audience& audience, link::Preview preview, bool asked) {
  PreviewEvent event{.owner = audience.owner,
                     .prompt_id = audience.prompt_id,
                     .kind = preview.kind,
                     .asked = asked,
                     .metadata = std::move(preview.metadata),
                     .bytes = std::make_shared<const std::string>(std::move(preview.bytes))};
  if (!audience.client_id.empty()) event.client_id = audience.client_id;
  sink_.send(event);
}

void Announcer::idle(const Audience& audience) {
  if (audience.client_id.empty()) return;
  event(audience, "executing", Json::Object{{"node", nullptr}, {"prompt_id", audience.prompt_id}});
}

void Announcer::status(std::size_t remaining) {
  if (!statuses_.pass(clock_.monotonic())) {
    held_status_ = remaining;
    return;
  }
  send_status(remaining);
}

void Announcer::tick() {
  if (held_status_ && statuses_.pass(clock_.monotonic())) send_status(*held_status_);
}

void Announcer::send_status(std::size_t remaining) {
  held_status_.reset();
  const Json data = Json::Object{
      {"status",
       Json::Object{{"exec_info", Json::Object{{"queue_remaining", std::uint64_t{remaining}}}}}}};
  sink_.send(TextEvent{.type = "status",
                       .text = std::make_shared<const std::string>(socket_text("status", data))});
}

}  // namespace comfy::jobs
