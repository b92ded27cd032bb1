// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace comfy::formats {

/// What a file is by its first bytes; its name says nothing.
enum class FileKind {
  empty,
  safetensors,
  zip,
  pickle,
  gguf,
  png,
  jpeg,
  webp,
  gif,
  gzip,
  seven_zip,
  html,
  git_lfs_pointer,
  json,
  text,
  unknown
};

FileKind file_kind(std::span<const std::byte> bytes);

/// For a sentence: "a zip archive", "a PNG picture".
std::string_view describe(FileKind kind);

}  // namespace comfy::formats
