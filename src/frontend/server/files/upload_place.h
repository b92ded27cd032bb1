// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/paths/folders.h"

#include <cstdint>
#include <string_view>

namespace comfy::server {

/// Where an upload is to go.
struct UploadPlace {
  paths::Root root;
  paths::ClientPath folder = {};
  paths::ClientPath name = {};  ///< below the folder; may have folders of its own
  paths::Existing existing = paths::Existing::keep;
};

/// Throws Error(unavailable) "disk_full" unless `reserve` bytes stay free after `size` more.
void check_free_space(const paths::Root& root, std::size_t size, std::uint64_t reserve);

/// Stores `written` under the first name that is free ("a.png", "a (1).png", ..), or finds the file
/// that holds the bytes of `upload` already. Returns the name it ended up with.
paths::ClientPath store_upload(const UploadPlace& place, std::string_view upload,
                               std::string_view written);

}  // namespace comfy::server
