// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/route.h"
#include "frontend/server/settings.h"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
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
  struct Waiting {
    std::filesystem::path path;
    FileBody file;
  };
  awaitable<void> compress(Response& response, const Request& request, Services& services,
                           const std::filesystem::path& path);
  awaitable<SharedBytes> pack(const FileBody& file, Services& services,
                              const std::filesystem::path& path);
  void pack_later(const std::filesystem::path& path, const FileBody& file, Services& services,
                  const boost::asio::any_io_executor& executor);
  awaitable<void> pack_waiting(Services& services);

  std::vector<Mount> mounts_;
  std::map<std::filesystem::path, Compressed> compressed_;
  std::size_t compressed_bytes_ = 0;
  std::deque<Waiting> waiting_;  ///< texts to be compressed when nobody waits for them
  bool packing_ = false;
};

/// The mounts of the parts that were found.
std::vector<Mount> mounts_of(const Parts& parts);

}  // namespace comfy::server
