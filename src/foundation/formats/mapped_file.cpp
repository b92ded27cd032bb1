// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/formats/mapped_file.h"

#include "foundation/base/error.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

namespace comfy::formats {
namespace {

std::string identity_of(const struct stat& status) {
  return fmt::format("{}:{}:{}:{}.{:09}", status.st_dev, status.st_ino, status.st_size,
                     status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

// madvise wants whole pages; a page that is only partly in `part` is left out.
void advise(std::span<const std::byte> part, int advice, bool whole_pages_only) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  auto begin = reinterpret_cast<std::uintptr_t>(part.data());
  auto end = begin + part.size();
  begin = whole_pages_only ? (begin + page - 1) / page * page : begin / page * page;
  if (whole_pages_only) end = end / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!file) {
    const int reason = errno;
    throw Error(
        reason == ENOENT ? Error::Kind::not_found : Error::Kind::invalid_input,
        fmt::format("expected a readable file \"{}\": {}", path.string(), std::strerror(reason)));
  }
  return std::make_shared<const MappedFile>(std::move(file), path.string());
}

MappedFile::MappedFile(FileDescriptor file, std::string name)
    : file_{std::move(file)}, name_{std::move(name)} {
  struct stat status{};
  if (fstat(file_.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    throw Error(Error::Kind::invalid_input,
                fmt::format("expected a file, \"{}\" is a folder or a device", name_));
  }
  identity_ = identity_of(status);
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return;  // nothing can be mapped
  void* address = mmap(nullptr, size, PROT_READ, MAP_SHARED, file_.get(), 0);
  if (address == MAP_FAILED) {
    throw Error(Error::Kind::out_of_memory,
                fmt::format("the file \"{}\" of {} bytes cannot be mapped: {}", name_, size,
                            std::strerror(errno)));
  }
  bytes_ = {static_cast<const std::byte*>(address), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::check_unchanged() const {
  struct stat status{};
  if (fstat(file_.get(), &status) == 0 && identity_of(status) == identity_) return;
  throw Error(
      Error::Kind::invalid_input,
      fmt::format("the file \"{}\" was changed while it was in use: it had {} bytes, now {}", name_,
                  bytes_.size(), status.st_size));
}

void MappedFile::will_need(std::span<const std::byte> part) const {
  advise(part, MADV_WILLNEED, false);
}

void MappedFile::done_with(std::span<const std::byte> part) const {
  advise(part, MADV_DONTNEED, true);
}

std::string file_identity(const std::filesystem::path& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return {};
  return identity_of(status);
}

}  // namespace comfy::formats
