// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/file_descriptor.h"
#include "frontend/server/body.h"

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace comfy::server {

/// Collects a request body: in memory at first, in an unlinked temporary file when it grows.
class BodySink {
 public:
  /// `folder` holds the temporary file; empty = the system's folder for such files.
  BodySink(std::size_t in_memory, std::filesystem::path folder)
      : in_memory_{in_memory}, folder_{std::move(folder)} {}

  void add(std::string_view bytes) {
    pending_.append(bytes);
    received_ += bytes.size();
  }
  std::size_t received() const { return received_; }
  /// True when flush() should be called, on a thread that may wait.
  bool is_full() const { return pending_.size() > in_memory_; }
  /// Moves what is pending into the file. Throws Error(unavailable) when there is no room.
  void flush();
  /// True when finish() has to touch the disk.
  bool is_spilled() const { return static_cast<bool>(file_); }
  Body finish();

 private:
  std::size_t in_memory_;
  std::filesystem::path folder_;
  FileDescriptor file_;
  std::string pending_;
  std::size_t received_ = 0;
};

}  // namespace comfy::server
