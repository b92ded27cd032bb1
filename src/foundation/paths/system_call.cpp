// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/system_call.h"

#include "foundation/base/strings.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

namespace comfy::paths {
namespace {

/// openat2 has no wrapper in the C library of Debian 12.
int openat2(int folder, const char* path, int flags, std::uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
  how.resolve = resolve;
  return static_cast<int>(::syscall(SYS_openat2, folder, path, &how, sizeof how));
}

/// The kernel, or a filter in front of it, does not offer openat2.
bool is_missing(int number) { return number == ENOSYS || number == EPERM; }

FileDescriptor walk(int folder, const std::string& path, int flags, int link_flag) {
  const auto parts = split(path, '/');
  FileDescriptor current;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const int from = current ? current.get() : folder;
    const bool last = i + 1 == parts.size();
    const int how = last ? flags | link_flag : O_PATH | O_DIRECTORY | link_flag;
    const int next = ::openat(from, std::string{parts[i]}.c_str(), how | O_CLOEXEC);
    if (next < 0) return {};
    current.reset(next);
  }
  return current;
}

FileDescriptor open_resolved(int folder, const std::string& path, int flags, Resolver resolver,
                             std::uint64_t rules) {
  if (resolver == Resolver::kernel) {
    int number = -1;
    do {
      number = openat2(folder, path.c_str(), flags, rules);
    } while (number < 0 && (errno == EINTR || errno == EAGAIN));
    if (number >= 0) return FileDescriptor{number};
    if (!is_missing(errno)) return {};
  }
  return walk(folder, path, flags, (rules & RESOLVE_NO_SYMLINKS) != 0 ? O_NOFOLLOW : 0);
}

}  // namespace

FileDescriptor open_beneath(int folder, const std::string& path, int flags, Resolver resolver) {
  return open_resolved(folder, path, flags, resolver,
                       RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

FileDescriptor open_through_links(int folder, const std::string& path, int flags,
                                  Resolver resolver) {
  return open_resolved(folder, path, flags, resolver, RESOLVE_NO_MAGICLINKS);
}

std::string real_path(int descriptor) {
  std::array<char, PATH_MAX> buffer{};
  const std::string link = fmt::format("/proc/self/fd/{}", descriptor);
  const auto size = ::readlink(link.c_str(), buffer.data(), buffer.size());
  if (size <= 0 || static_cast<std::size_t>(size) >= buffer.size()) return {};
  return {buffer.data(), static_cast<std::size_t>(size)};
}

Error system_error(std::string_view what, int number) {
  std::array<char, 128> buffer{};
  const char* text = ::strerror_r(number, buffer.data(), buffer.size());
  switch (number) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EXDEV:
      return Error(Error::Kind::not_found, fmt::format("{}: {}", what, text));
    case EEXIST:
    case EISDIR:
    case ENOTEMPTY:
      return Error(Error::Kind::conflict, fmt::format("{}: {}", what, text));
    case ENAMETOOLONG:
    case EINVAL:
      return Error(Error::Kind::invalid_input, fmt::format("{}: {}", what, text));
    default:
      return Error(Error::Kind::unavailable, fmt::format("{}: {}", what, text));
  }
}

}  // namespace comfy::paths
