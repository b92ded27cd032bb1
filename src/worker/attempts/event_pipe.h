// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/clock.h"
#include "foundation/base/rate_limit.h"
#include "worker/attempts/session.h"
#include "worker/engine/executor.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <variant>

namespace comfy::attempts {

/// Carries an attempt's events from the compute thread to the session, in order, on a thread of its
/// own that also encodes previews: computing never waits for a picture or a socket.
class EventPipe {
 public:
  struct Options {
    int preview_side = 512;
    int preview_quality = 95;
  };

  EventPipe(Session& session, const Clock& clock, Options options);
  ~EventPipe();
  EventPipe(const EventPipe&) = delete;
  EventPipe& operator=(const EventPipe&) = delete;

  void event(const link::AttemptId& id, std::string_view name, Json data);
  /// Only the newest preview of those that wait is sent, and ten a second; results all are.
  void preview(const link::AttemptId& id, engine::PreviewEvent preview);
  /// Every text is sent.
  void text(const link::AttemptId& id, engine::NodeText text);
  void finish(link::Finish finish);

 private:
  struct EventItem {
    link::AttemptId id;
    std::string name;
    Json data;
  };
  struct TextItem {
    link::AttemptId id;
    engine::NodeText text;
  };
  struct PreviewItem {
    link::AttemptId id;
    engine::PreviewEvent preview;
  };
  using Item = std::variant<EventItem, PreviewItem, TextItem, link::Finish>;

  void add(Item item);
  void run();
  void deliver(Item item);
  void encode(PreviewItem item);

  Session& session_;
  const Clock& clock_;
  Options options_;
  RateLimit previews_{1, 10};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Item> items_;
  bool ending_ = false;
  std::thread thread_;
};

/// What the executor reports to, for one attempt.
class EventForwarder final : public engine::EventSink {
 public:
  EventForwarder(EventPipe& pipe, link::AttemptId id, const Clock& clock)
      : pipe_{pipe}, id_{std::move(id)}, clock_{clock} {}

  void event(engine::Event event) override;
  void preview(engine::PreviewEvent preview) override;
  void text(engine::NodeText text) override;

 private:
  EventPipe& pipe_;
  link::AttemptId id_;
  const Clock& clock_;
  RateLimit progress_{20, 20};
};

}  // namespace comfy::attempts
