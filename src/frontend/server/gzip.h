// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>

namespace comfy::server {

/// The bytes in gzip form (RFC 1952). Level 1 is fast, 9 small.
/// Throws Error(out_of_memory) when zlib gets no memory.
std::string gzip(std::string_view bytes, int level);

/// Whether an Accept-Encoding header takes gzip ("gzip;q=0" does not).
bool accepts_gzip(std::string_view accept_encoding);

}  // namespace comfy::server
