// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/log.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <mutex>

namespace comfy {
namespace {

constexpr std::size_t kMaxLine = 8192;

struct Sink {
  std::mutex mutex;
  std::atomic<LogLevel> level{LogLevel::info};
  std::atomic<LogStream> stream{LogStream::standard_error};
  std::function<void(std::string_view)> listener;
};

Sink& sink() {
  static Sink one;
  return one;
}

const char* level_name(LogLevel level) {
  constexpr const char* kNames[] = {"debug", "info", "warn", "error"};
  return kNames[static_cast<int>(level)];
}

std::string printable(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (const char c : text.substr(0, kMaxLine)) {
    if (c == '\n' || c == '\t') {
      line += c == '\n' ? "\n    " : " ";
      continue;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      line += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
      continue;
    }
    line += c;
  }
  return line;
}

std::string local_time() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()) % 1000;
  std::tm parts{};
  localtime_r(&seconds, &parts);
  return fmt::format("{:02}:{:02}:{:02}.{:03}", parts.tm_hour, parts.tm_min, parts.tm_sec,
                     ms.count());
}

}  // namespace

void Logger::write(LogLevel level, std::string_view text) const {
  Sink& to = sink();
  if (level < to.level) return;
  const std::string line =
      fmt::format("{} {:<5} {}: {}", local_time(), level_name(level), layer_, printable(text));
  const bool plain = to.stream == LogStream::standard_output && level < LogLevel::error;
  const std::lock_guard lock{to.mutex};
  fmt::print(plain ? stdout : stderr, "{}\n", line);
  if (plain) std::fflush(stdout);
  if (to.listener) to.listener(line);
}

void set_log_level(LogLevel level) { sink().level = level; }
void set_log_stream(LogStream stream) { sink().stream = stream; }
void set_log_listener(std::function<void(std::string_view)> listener) {
  const std::lock_guard lock{sink().mutex};
  sink().listener = std::move(listener);
}

}  // namespace comfy
