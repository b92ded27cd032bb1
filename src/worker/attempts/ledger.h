// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/file_descriptor.h"

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace comfy::attempts {

/// What one prompt's attempts have published or were about to: "<root>/.comfy/<prompt id>.jsonl".
///
/// A line is written and on disk before the file it names appears, so that a later attempt finds
/// the names of an earlier one, whenever that died.
class Ledger {
 public:
  struct Entry {
    std::string path;                  ///< relative to the root
    std::vector<std::string> digests;  ///< SHA-256 of everything that was written there
  };

  /// Reads what earlier attempts left; a last line that was cut off does not count.
  Ledger(const std::filesystem::path& root, const std::string& prompt_id);

  /// What was last written down for that key, or null.
  const Entry* find(const std::string& key) const;
  void add(const std::string& key, const std::string& path, const std::string& digest);

  /// Removes a prompt's ledger.
  static void remove(const std::filesystem::path& root, const std::string& prompt_id);
  /// Removes ledgers older than `age`.
  static void sweep(const std::filesystem::path& root, std::chrono::hours age);

 private:
  void note(const std::string& key, const std::string& path, const std::string& digest);
  std::filesystem::path file_;
  FileDescriptor open_;
  std::map<std::string, Entry> entries_;
};

}  // namespace comfy::attempts
