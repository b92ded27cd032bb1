// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace comfy::formats {

/// One file of a zip archive; its bytes lie in the archive as they are.
struct ZipEntry {
  std::string name = {};  ///< a label, never used as a path
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// Lists an archive whose entries are all stored without compression, as model files are (zip64
/// included). `file` is the whole file.
///
/// Throws Error(invalid_input) for anything else: compressed or encrypted entries, entries outside
/// the file, overlapping ones, repeated names, several disks, local headers that contradict the
/// directory. Source: PKWARE's APPNOTE 6.3.
std::vector<ZipEntry> read_zip_directory(std::span<const std::byte> file);

}  // namespace comfy::formats
