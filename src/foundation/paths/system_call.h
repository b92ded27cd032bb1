// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/error.h"
#include "foundation/base/file_descriptor.h"

#include <string>
#include <string_view>

namespace comfy::paths {

/// Whether the system call of this process may be used: cleared when the kernel has no openat2.
enum class Resolver : unsigned char { kernel, components };

/// Opens `path` beneath `folder` without following any symbolic link. Returns an empty descriptor
/// and leaves errno when that is not possible.
FileDescriptor open_beneath(int folder, const std::string& path, int flags, Resolver resolver);

/// Opens `path` below `folder` through symbolic links (but no magic ones such as /proc/self/fd/3).
FileDescriptor open_through_links(int folder, const std::string& path, int flags,
                                  Resolver resolver);

/// Where an open file really lies; empty when the system does not tell.
std::string real_path(int descriptor);

/// An Error for a failed system call: full disk, no rights and so on. `what` names the deed.
Error system_error(std::string_view what, int number);

}  // namespace comfy::paths
