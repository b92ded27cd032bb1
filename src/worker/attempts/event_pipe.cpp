// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/attempts/event_pipe.h"

#include "foundation/base/error.h"
#include "foundation/base/fail_point.h"
#include "foundation/media/encode.h"
#include "foundation/media/resize.h"
#include "worker/attempts/log.h"

#include <algorithm>
#include <utility>

namespace comfy::attempts {

EventPipe::EventPipe(Session& session, const Clock& clock, Options options)
    : session_{session}, clock_{clock}, options_{options}, thread_{[this] { run(); }} {}

EventPipe::~EventPipe() {
  {
    const std::lock_guard lock{mutex_};
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void EventPipe::event(const link::AttemptId& id, std::string_view name, Json data) {
  add(EventItem{id, std::string{name}, std::move(data)});
}

void EventPipe::preview(const link::AttemptId& id, engine::PreviewEvent preview) {
  if (preview.picture.purpose == engine::Preview::Purpose::preview) {
    const std::lock_guard lock{mutex_};
    if (!previews_.pass(clock_.monotonic())) return;
    std::erase_if(items_, [](const Item& item) {
      const auto* waits = std::get_if<PreviewItem>(&item);
      return waits && waits->preview.picture.purpose == engine::Preview::Purpose::preview;
    });
  }
  add(PreviewItem{id, std::move(preview)});
}

void EventPipe::text(const link::AttemptId& id, engine::NodeText text) {
  add(TextItem{id, std::move(text)});
}

void EventPipe::finish(link::Finish finish) { add(std::move(finish)); }

void EventPipe::add(Item item) {
  {
    const std::lock_guard lock{mutex_};
    items_.push_back(std::move(item));
  }
  wake_.notify_one();
}

void EventPipe::run() {
  std::unique_lock lock{mutex_};
  while (true) {
    wake_.wait(lock, [this] { return ending_ || !items_.empty(); });
    if (items_.empty()) return;
    Item item = std::move(items_.front());
    items_.pop_front();
    lock.unlock();
    try {
      deliver(std::move(item));
    } catch (const std::exception& error) {
      log.warn("an event was not sent: {}", error.what());
    }
    lock.lock();
  }
}

void EventPipe::deliver(Item item) {
  if (auto* event = std::get_if<EventItem>(&item)) {
    session_.event(event->id, event->name, std::move(event->data));
  } else if (auto* shown = std::get_if<TextItem>(&item)) {
    session_.preview({.id = shown->id,
                      .kind = 3,
                      .keep = true,
                      .metadata = Json::Object{{"node_id", shown->text.node_id}},
                      .bytes = std::move(shown->text.text)});
  } else if (auto* preview = std::get_if<PreviewItem>(&item)) {
    encode(std::move(*preview));
  } else {
    session_.finished(std::get<link::Finish>(std::move(item)));
  }
}

void EventPipe::encode(PreviewItem item) {
  engine::Preview& picture = item.preview.picture;
  const bool png = picture.format == engine::Preview::Format::png;
  const bool result = picture.purpose == engine::Preview::Purpose::result;
  link::Preview message{.id = item.id,
                        .kind = result ? 1 : 4,
                        .keep = result,
                        .metadata = std::move(item.preview.place)};
  message.metadata["image_type"] = png ? "image/png" : "image/jpeg";
  if (picture.format == engine::Preview::Format::rgb8) {
    media::Picture pixels;
    pixels.mode = media::Mode::rgb;
    pixels.width = picture.width;
    pixels.height = picture.height;
    pixels.pixels = std::move(picture.bytes);
    message.bytes = media::encode_jpeg(media::fit_into_square(pixels, options_.preview_side),
                                       options_.preview_quality);
  } else {
    message.bytes.assign(picture.bytes.begin(), picture.bytes.end());
  }
  session_.preview(std::move(message));
}

void EventForwarder::event(engine::Event event) {
  // How the prompt ended is announced by the server, once the record is written.
  if (event.terminal) return;
  if (event.type == "progress" && !progress_.pass(clock_.monotonic()) &&
      event.data.double_or("value", 0) < event.data.double_or("max", 1))
    return;
  const bool starts_node = event.type == "executing";
  pipe_.event(id_, event.type, std::move(event.data));
  if (starts_node) fail_point("mid_node");
}

void EventForwarder::preview(engine::PreviewEvent preview) {
  pipe_.preview(id_, std::move(preview));
}

void EventForwarder::text(engine::NodeText text) { pipe_.text(id_, std::move(text)); }

}  // namespace comfy::attempts
