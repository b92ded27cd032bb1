// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace comfy::access {

/// A small file that only its owner may read. Nothing when it is not there. Throws
/// Error(unavailable) when it cannot be read, Error(too_large) above `limit` bytes.
std::optional<std::string> read_private_file(const std::filesystem::path& path, std::size_t limit);

/// Replaces a file as one step, on disk when this returns; only its owner may read it. Makes the
/// folder when it is missing. Throws Error(unavailable).
void write_private_file(const std::filesystem::path& path, std::string_view text);

}  // namespace comfy::access
