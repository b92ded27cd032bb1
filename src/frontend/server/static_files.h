// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/route.h"
#include "frontend/server/settings.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace comfy::server {

/// A folder whose files are served below a path.
struct Mount {
  std::string prefix;  ///< "/docs", or "" for the page itself
  std::filesystem::path folder;
};

/// The parts of the product that are served as they lie: the page, help texts, workflow templates
/// and the scripts of extensions. Symbolic links are followed: an installed tree may be made of
/// them, and no client can write there.
class StaticFiles {
 public:
  /// The first mount that holds the file answers.
  explicit StaticFiles(std::vector<Mount> mounts) : mounts_{std::move(mounts)} {}

  /// 200 with the file; 403 for a folder; 404 with an empty body, or with text for a path that is
  /// none ("..", "//", a bad escape).
  awaitable<Response> answer(const Request& request, Services& services);

 private:
  /// Texts that were compressed for clients elsewhere, by file and time of change.
  struct Compressed {
    std::int64_t modified_ns = 0;
    SharedBytes bytes;
  };
  awaitable<void> compress(Response& response, const Request& request, Services& services,
                           std::filesystem::path path);
  std::vector<Mount> mounts_;
  std::map<std::filesystem::path, Compressed> compressed_;
  std::size_t compressed_bytes_ = 0;
};

/// The mounts of the parts that were found.
std::vector<Mount> mounts_of(const Parts& parts);

}  // namespace comfy::server
