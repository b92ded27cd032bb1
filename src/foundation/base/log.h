// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string>
#include <string_view>

namespace comfy {

enum class LogLevel { debug, info, warn, error };

/// Writes lines for people to standard error, one logger per layer: `inline Logger log{"server"};`.
///
/// Texts use {fmt} syntax, checked at compile time. Control bytes are escaped and lines end after 8
/// KiB.
class Logger {
 public:
  explicit constexpr Logger(std::string_view layer) : layer_{layer} {}

  template <class... Args>
  void debug(fmt::format_string<Args...> text, Args&&... args) const {
    write(LogLevel::debug, fmt::vformat(text, fmt::make_format_args(args...)));
  }
  template <class... Args>
  void info(fmt::format_string<Args...> text, Args&&... args) const {
    write(LogLevel::info, fmt::vformat(text, fmt::make_format_args(args...)));
  }
  template <class... Args>
  void warn(fmt::format_string<Args...> text, Args&&... args) const {
    write(LogLevel::warn, fmt::vformat(text, fmt::make_format_args(args...)));
  }
  template <class... Args>
  void error(fmt::format_string<Args...> text, Args&&... args) const {
    write(LogLevel::error, fmt::vformat(text, fmt::make_format_args(args...)));
  }

 private:
  void write(LogLevel level, std::string_view text) const;
  std::string_view layer_;
};

/// Lines below this level are dropped. The default is info.
void set_log_level(LogLevel level);

/// Where informative lines go: standard error (the default), or standard output with errors apart.
enum class LogStream { standard_error, standard_output };
void set_log_stream(LogStream stream);

/// Called with every line that is written (without its newline), for instance to show it in the
/// browser. It must not log and must be quick; an empty function removes it.
void set_log_listener(std::function<void(std::string_view line)> listener);

}  // namespace comfy
