// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/file_descriptor.h"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace comfy::formats {

/// A whole file mapped for reading; nobody can write through it.
///
/// Pages come from disk when they are touched, and processes that map the same file share them.
/// Limit: when another program shortens the file while it is mapped, touching the lost part kills
/// the process (SIGBUS). `check_unchanged` finds that out before.
class MappedFile {
 public:
  /// Opens a regular file. Throws Error(not_found) or Error(invalid_input) naming the path.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  /// Takes a descriptor that is open for reading; `name` is what errors call it.
  MappedFile(FileDescriptor file, std::string name);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::string& name() const { return name_; }
  /// "device:inode:size:mtime in nanoseconds": changes whenever the content may have.
  const std::string& identity() const { return identity_; }
  /// Throws Error(invalid_input) when the file has been shortened or changed since it was opened.
  void check_unchanged() const;
  /// Tells the kernel that these pages will be read soon, or not any more. A hint only.
  void will_need(std::span<const std::byte> part) const;
  void done_with(std::span<const std::byte> part) const;

 private:
  FileDescriptor file_;
  std::string name_;
  std::string identity_;
  std::span<const std::byte> bytes_;
};

/// The identity of the file at a path, as MappedFile gives it, without opening it; "" when there is
/// none.
std::string file_identity(const std::filesystem::path& path);

}  // namespace comfy::formats
