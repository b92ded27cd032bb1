// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/access/private_file.h"

#include "foundation/base/error.h"
#include "foundation/base/file_descriptor.h"
#include "foundation/base/ids.h"
#include "foundation/base/random.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace comfy::access {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const char* what) {
  throw Error{Error::Kind::unavailable,
              fmt::format("{} could not be {}: {}", path.string(), what, std::strerror(errno))};
}

void write_all(int file, std::string_view text, const std::filesystem::path& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path, "written");
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

std::optional<std::string> read_private_file(const std::filesystem::path& path, std::size_t limit) {
  const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file && errno == ENOENT) return {};
  if (!file) fail(path, "read");
  std::string text;
  char piece[4096];
  while (true) {
    const ssize_t got = ::read(file.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path, "read");
    if (got == 0) return text;
    text.append(piece, static_cast<std::size_t>(got));
    if (text.size() > limit) {
      throw Error{Error::Kind::too_large,
                  fmt::format("{} must not exceed {} bytes", path.string(), limit)};
    }
  }
}

void write_private_file(const std::filesystem::path& path, std::string_view text) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  const std::filesystem::path fresh =
      path.parent_path() / fmt::format(".{}.part", random_hex(system_random(), 8));
  {
    const FileDescriptor file{::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
    if (!file) fail(path, "written");
    write_all(file.get(), text, path);
    if (::fsync(file.get()) != 0) fail(path, "written");
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) {
    ::unlink(fresh.c_str());
    fail(path, "written");
  }
}

}  // namespace comfy::access
