// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/clock.h"
#include "foundation/base/file_descriptor.h"
#include "foundation/base/json.h"
#include "foundation/base/rate_limit.h"

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string_view>

namespace comfy::access {

/// What a person needs who looks for misuse afterwards: refused keys, pages, hosts and paths, and
/// what administrators did. One JSON object a line, with the time; never a prompt's text, a key or
/// the query of a URL. Safe from several threads.
class Audit {
 public:
  /// Appends to `file`, which only its owner may read; with an empty path the lines go to the log.
  /// Throws Error(unavailable) when the file cannot be opened.
  Audit(std::filesystem::path file, const Clock& clock);

  /// Writes {"time", "event", ...fields}. Floods are cut to 100 lines a second after 1,000; the
  /// number of those left out stands in the next line.
  void record(std::string_view event, Json::Object fields);
  /// Opens the file anew, after it was moved away.
  void reopen();

 private:
  std::filesystem::path path_;
  const Clock& clock_;
  std::mutex mutex_;
  FileDescriptor file_;
  RateLimit lines_{1'000, 100};
  std::uint64_t left_out_ = 0;
};

}  // namespace comfy::access
