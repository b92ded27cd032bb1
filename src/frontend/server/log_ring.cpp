// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/log_ring.h"

#include <fmt/format.h>

#include <ctime>
#include <utility>

namespace comfy::server {
namespace {

constexpr std::size_t kLines = 300;
constexpr int kColumns = 120;
constexpr int kRows = 40;

/// Local time as ComfyUI writes it: 2025-01-31T12:34:56.789000.
std::string local_time(std::chrono::milliseconds wall) {
  const std::time_t seconds = wall.count() / 1000;
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}000", local.tm_year + 1900,
                     local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec,
                     wall.count() % 1000);
}

Json size() { return Json::Object{{"cols", kColumns}, {"rows", kRows}}; }

}  // namespace

void LogRing::add(std::string_view line) {
  std::function<void()> notify;
  {
    const std::lock_guard lock{mutex_};
    Line entry{local_time(clock_.wall()), std::string{line} + "\n"};
    if (notify_) {
      if (new_.empty()) notify = notify_;
      new_.push_back(entry);
      if (new_.size() > kLines) new_.pop_front();
    }
    lines_.push_back(std::move(entry));
    if (lines_.size() > kLines) lines_.pop_front();
  }
  if (notify) notify();
}

void LogRing::on_new(std::function<void()> notify) {
  const std::lock_guard lock{mutex_};
  notify_ = std::move(notify);
  new_.clear();
}

Json LogRing::entries(const std::deque<Line>& lines) {
  Json::Array array;
  for (const Line& line : lines) {
    array.push_back(Json::Object{{"t", line.time}, {"m", line.text}});
  }
  return array;
}

Json LogRing::take_new() {
  std::deque<Line> lines;
  {
    const std::lock_guard lock{mutex_};
    lines = std::exchange(new_, {});
  }
  return entries(lines);
}

std::string LogRing::text() const {
  const std::lock_guard lock{mutex_};
  std::string text;
  for (const Line& line : lines_) text += line.time + " - " + line.text;
  return text;
}

Json LogRing::raw() const {
  const std::lock_guard lock{mutex_};
  return Json::Object{{"entries", entries(lines_)}, {"size", size()}};
}

Json logs_message(Json entries) {
  return Json::Object{{"type", "logs"},
                      {"data", Json::Object{{"entries", std::move(entries)}, {"size", size()}}}};
}

}  // namespace comfy::server
