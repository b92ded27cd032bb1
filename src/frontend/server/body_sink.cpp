// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/body_sink.h"

#include "foundation/base/error.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace comfy::server {
namespace {

[[noreturn]] void throw_no_room(int code) {
  throw Error{Error::Kind::unavailable,
              std::string{"a request body could not be kept: "} + std::strerror(code),
              code == ENOSPC || code == EDQUOT ? "disk_full" : ""};
}

}  // namespace

void BodySink::flush() {
  if (!file_) {
    const std::filesystem::path folder =
        folder_.empty() ? std::filesystem::temp_directory_path() : folder_;
    file_.reset(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!file_) throw_no_room(errno);
  }
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const ssize_t written = ::write(file_.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_no_room(errno);
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  pending_.clear();
}

Body BodySink::finish() {
  if (!file_) return Body{std::move(pending_)};
  flush();
  return Body::map(file_.get(), received_);
}

}  // namespace comfy::server
