// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/file_descriptor.h"
#include "frontend/server/response.h"

#include <string>
#include <string_view>

namespace comfy::server {

/// How bytes that some user supplied are served, so that no browser runs them.
struct InertType {
  std::string_view content_type;
  bool opens = false;  ///< a browser may show it in a tab; anything else is saved to disk
};

/// By the name's suffix: known pictures, video, sound, JSON and plain text keep their type, SVG too
/// but never opens by itself, everything else is application/octet-stream.
InertType inert_type(std::string_view filename);

/// Content-Type, Content-Disposition and the headers that take every right from a page.
void add_inert_headers(Response& response, std::string_view content_type, std::string_view filename,
                       bool opens);

/// An open file of a user under that name.
Response inert_file(FileDescriptor file, std::string_view filename);

}  // namespace comfy::server
