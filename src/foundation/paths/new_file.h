// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/file_descriptor.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace comfy::paths {

enum class Existing : std::uint8_t { keep, replace };

/// A file in the making: it has no name yet (or a hidden temporary one where the file system cannot
/// do without), so readers never see a part of it, and one that is not published leaves nothing.
class NewFile {
 public:
  /// `folder` is where it will appear; `name` its last component, already checked.
  NewFile(FileDescriptor folder, std::string name);
  NewFile(NewFile&&) noexcept;
  NewFile& operator=(NewFile&&) noexcept;
  ~NewFile();

  /// Throws Error(unavailable) when the disk is full or fails.
  void write(std::string_view bytes);
  /// The open file, for writers that want the descriptor.
  int descriptor() const { return file_.get(); }

  /// Puts the bytes on disk and gives the file its name. With Existing::keep, false says that the
  /// name is taken and the file waits for another name (rename_to) or its end.
  bool publish(Existing existing);
  /// Another last component, for the next try.
  void rename_to(std::string name) { name_ = std::move(name); }
  const std::string& name() const { return name_; }

 private:
  void create_named();
  bool link_as(const std::string& name);

  FileDescriptor folder_;
  FileDescriptor file_;
  std::string name_;
  std::string temporary_;  ///< its hidden name, where it needed one
};

}  // namespace comfy::paths
