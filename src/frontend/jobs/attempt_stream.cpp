// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/attempt_stream.h"

#include <utility>

namespace comfy::jobs {
namespace {

constexpr std::chrono::milliseconds kGapPatience{200};

}  // namespace

std::vector<link::Event> EventOrder::add(link::Event event, Clock::Monotonic now) {
  if (event.seq < next_) return {};  // a duplicate
  waiting_.emplace(event.seq, std::move(event));
  std::vector<link::Event> events = ready();
  if (!waiting_.empty() && (!gap_since_ || !events.empty())) gap_since_ = now;
  return events;
}

std::vector<link::Event> EventOrder::late(Clock::Monotonic now) {
  if (!gap_since_ || now - *gap_since_ < kGapPatience || waiting_.empty()) return {};
  next_ = waiting_.begin()->first;
  std::vector<link::Event> events = ready();
  if (!waiting_.empty()) gap_since_ = now;
  return events;
}

std::vector<link::Event> EventOrder::rest() {
  std::vector<link::Event> events;
  for (auto& [seq, event] : waiting_) events.push_back(std::move(event));
  waiting_.clear();
  return events;
}

std::vector<link::Event> EventOrder::ready() {
  std::vector<link::Event> events;
  while (!waiting_.empty() && waiting_.begin()->first == next_) {
    events.push_back(std::move(waiting_.begin()->second));
    waiting_.erase(waiting_.begin());
    ++next_;
  }
  if (waiting_.empty()) gap_since_.reset();
  return events;
}

void Recap::note(const link::Event& event) {
  if (event.name == "progress_state") {
    progress_state = event.data;
  } else if (event.name == "executing") {
    const Json* node = event.data.find("display_node");
    if (node == nullptr) node = event.data.find("node");
    executing = node && node->is_string() ? node->as_string() : std::string{};
  } else if (event.name.starts_with("execution_") || event.name == "executed") {
    lifecycle.push_back({event.seq, event.name, event.data});
  }
}

}  // namespace comfy::jobs
