// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/file_descriptor.h"
#include "foundation/paths/client_path.h"
#include "foundation/paths/new_file.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace comfy::paths {

/// Whether symbolic links below a root lead anywhere.
enum class Links : std::uint8_t {
  refuse,  ///< a link is as good as absent
  follow   ///< what it leads to must lie below the root or behind a link that the root itself holds
};

/// One file or folder below a root.
struct Entry {
  std::string path;  ///< relative to what was listed, components joined by "/"
  bool is_folder = false;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;  ///< nanoseconds since 1970
  std::int64_t created_ns = 0;   ///< last change of the entry itself, as ComfyUI's "created"

  std::string_view name() const;
};

enum class Depth : std::uint8_t { shallow, recursive };

/// A folder that clients may reach into, and the one place where their paths meet the file system.
///
/// Nothing outside the folder can be read, written, listed or removed through it: the kernel
/// resolves each path beneath the folder's own handle (openat2), or a walk from component to
/// component does where the kernel is too old. Cheap to copy; safe from several threads.
class Root {
 public:
  explicit Root(const std::filesystem::path& folder, Links links = Links::refuse);

  const std::filesystem::path& path() const;
  Links links() const;

  /// Opens a regular file for reading. Throws Error(not_found) when there is none, also when it
  /// lies behind a refused link.
  FileDescriptor open(const ClientPath& path) const;
  /// The same; nothing when there is none.
  std::optional<FileDescriptor> find(const ClientPath& path) const;
  /// A file or folder; nothing when there is none.
  std::optional<Entry> status(const ClientPath& path) const;
  /// Opens a folder. Throws Error(not_found).
  FileDescriptor open_folder(const ClientPath& path) const;
  /// Makes a folder and those above it, the root too, and opens it. Throws Error(conflict) when a
  /// file has that name, Error(unavailable) when the disk refuses.
  FileDescriptor make_folder(const ClientPath& path) const;
  /// Files and folders below `folder`, sorted by path. Names that begin with a dot are left out,
  /// and so are names that no client could ask for. Throws Error(not_found).
  std::vector<Entry> list(const ClientPath& folder, Depth depth) const;

  /// Starts a file that becomes visible under `path` when it is published; makes its folder.
  NewFile create(const ClientPath& path) const;
  /// Removes a file. Throws Error(not_found) when there is none, Error(invalid_input) for a folder.
  void remove(const ClientPath& path) const;
  /// Renames a file. Throws Error(not_found) without a source, Error(conflict) when the destination
  /// exists and is not to be replaced.
  void move(const ClientPath& from, const ClientPath& to, Existing existing) const;

  /// Room left on the disk for an ordinary user. Throws Error(unavailable).
  std::uint64_t free_bytes() const;

  /// Resolves without openat2 from now on, so that a test can try the way old kernels go.
  void walk_components_only();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Reads an open file from its start. Throws Error(too_large) when it is longer than `limit`.
std::string read_all(const FileDescriptor& file, std::size_t limit);

}  // namespace comfy::paths
