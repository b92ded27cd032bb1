// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/new_file.h"

#include "foundation/base/fail_point.h"
#include "foundation/base/ids.h"
#include "foundation/base/random.h"
#include "foundation/paths/system_call.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

namespace comfy::paths {
namespace {

constexpr mode_t kFileMode = 0666;  // the user's umask takes from it

std::string hidden_name() { return "." + random_hex(system_random(), 8) + ".part"; }

/// Copies an anonymous file into a named one, for file systems that cannot link the former.
void copy(int from, int to) {
  struct stat info{};
  if (::fstat(from, &info) != 0) throw system_error("copying a new file", errno);
  off_t offset = 0;
  while (offset < info.st_size) {
    const auto left = static_cast<std::size_t>(info.st_size - offset);
    if (::sendfile(to, from, &offset, left) <= 0) throw system_error("copying a new file", errno);
  }
}

}  // namespace

NewFile::NewFile(FileDescriptor folder, std::string name)
    : folder_{std::move(folder)}, name_{std::move(name)} {
  file_.reset(::openat(folder_.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, kFileMode));
  if (!file_) create_named();
}

NewFile::NewFile(NewFile&& other) noexcept
    : folder_{std::move(other.folder_)},
      file_{std::move(other.file_)},
      name_{std::move(other.name_)},
      temporary_{std::exchange(other.temporary_, {})} {}

NewFile& NewFile::operator=(NewFile&& other) noexcept {
  std::swap(folder_, other.folder_);
  std::swap(file_, other.file_);
  std::swap(name_, other.name_);
  std::swap(temporary_, other.temporary_);
  return *this;
}

NewFile::~NewFile() {
  if (!temporary_.empty()) ::unlinkat(folder_.get(), temporary_.c_str(), 0);
}

void NewFile::create_named() {
  temporary_ = hidden_name();
  file_.reset(::openat(folder_.get(), temporary_.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC,
                       kFileMode));
  if (file_) return;
  temporary_.clear();
  throw system_error(fmt::format("creating '{}'", name_), errno);
}

void NewFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(file_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw system_error(fmt::format("writing '{}'", name_), errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

bool NewFile::link_as(const std::string& name) {
  const std::string source = fmt::format("/proc/self/fd/{}", file_.get());
  return ::linkat(AT_FDCWD, source.c_str(), folder_.get(), name.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

bool NewFile::publish(Existing existing) {
  if (::fsync(file_.get()) != 0) throw system_error(fmt::format("saving '{}'", name_), errno);
  fail_point("before_publish");
  if (temporary_.empty() && existing == Existing::keep) {
    if (link_as(name_)) {
      ::fsync(folder_.get());
      return true;
    }
    if (errno == EEXIST) return false;
  }
  if (temporary_.empty()) {
    const std::string hidden = hidden_name();
    if (link_as(hidden)) {
      temporary_ = hidden;
    } else {
      const FileDescriptor anonymous = std::move(file_);
      create_named();
      copy(anonymous.get(), file_.get());
      if (::fsync(file_.get()) != 0) throw system_error(fmt::format("saving '{}'", name_), errno);
    }
  }
  const unsigned flags = existing == Existing::keep ? RENAME_NOREPLACE : 0;
  if (::renameat2(folder_.get(), temporary_.c_str(), folder_.get(), name_.c_str(), flags) != 0) {
    if (errno == EEXIST && existing == Existing::keep) return false;
    throw system_error(fmt::format("naming '{}'", name_), errno);
  }
  temporary_.clear();
  ::fsync(folder_.get());
  return true;
}

}  // namespace comfy::paths
