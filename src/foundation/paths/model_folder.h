// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/file_descriptor.h"
#include "foundation/paths/root.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace comfy::paths {

/// The folders searched for one kind of model.
struct ModelFolder {
  std::string kind;                     ///< "checkpoints"
  std::vector<Root> roots;              ///< searched in this order; new files go to the first
  std::vector<std::string> extensions;  ///< lower case with the dot; none: every file
  std::optional<Root> spare = {};  ///< what came with the program: used while `roots` are empty

  bool accepts(std::string_view filename) const;
  /// The folder of that number, as ModelEntry::root counts: `roots`, then `spare`. Null beyond.
  const Root* find_root(std::size_t index) const;
};

/// One listed model.
struct ModelEntry {
  std::string name;      ///< as menus show it: "sub/a.safetensors"
  std::size_t root = 0;  ///< which of the folders it was found in
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t created_ns = 0;
};

/// The models of one kind, sorted by name; of equal names the first folder's.
struct ModelList {
  std::vector<ModelEntry> entries;
  std::uint64_t generation = 0;  ///< changes when the content does

  std::vector<std::string> names() const;
};

/// A model that was found and opened.
struct OpenModel {
  FileDescriptor file;
  std::filesystem::path path;  ///< for caches and messages to the operator, never for clients
  std::string name;
};

}  // namespace comfy::paths
