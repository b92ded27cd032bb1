// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/clock.h"
#include "foundation/base/json.h"

#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::server {

/// The last lines of the log, for /internal/logs. Safe from several threads; `add` is quick enough
/// to be the logger's listener.
class LogRing {
 public:
  explicit LogRing(const Clock& clock) : clock_{clock} {}

  void add(std::string_view line);
  /// Called when lines were added while none had been waiting; the lines then wait for take_new().
  void on_new(std::function<void()> notify);
  /// Lines that were added since the last call, as entries of a `logs` message.
  Json take_new();

  /// All lines as one text: "<time> - <line>".
  std::string text() const;
  /// {"entries": [{"t", "m"}], "size": {"cols", "rows"}}
  Json raw() const;

 private:
  struct Line {
    std::string time;
    std::string text;  ///< with its newline
  };
  static Json entries(const std::deque<Line>& lines);

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::deque<Line> lines_;
  std::deque<Line> new_;
  std::function<void()> notify_;
};

/// A `logs` message for subscribers.
Json logs_message(Json entries);

}  // namespace comfy::server
