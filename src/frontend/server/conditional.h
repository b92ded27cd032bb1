// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/fields.h"
#include "frontend/server/response.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace comfy::server {

/// What the conditional headers of a request (RFC 9110, sections 13 and 14) make of a file.
struct FileAnswer {
  unsigned status = 200;  ///< 200, 206, 304 or 416
  Span span;              ///< of 200 and 206
};

/// The state of a file that conditions are compared with.
struct FileVersion {
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;

  /// A strong tag made of time and size.
  std::string etag() const;
  /// The time as HTTP writes it: "Sun, 06 Nov 1994 08:49:37 GMT".
  std::string last_modified() const;
};

FileAnswer evaluate(const Headers& request, const FileVersion& file);

/// Whether If-None-Match names that tag, weakly compared, or is "*".
bool names_tag(std::string_view if_none_match, std::string_view etag);

/// A time as HTTP writes it.
std::string http_date(std::int64_t seconds);
/// Reads the IMF-fixdate form alone; nothing for other texts.
std::optional<std::int64_t> parse_http_date(std::string_view text);

/// The bytes a Range header asks of a file of that size.
enum class RangeVerdict : std::uint8_t { whole, part, unsatisfiable };
struct RangeAnswer {
  RangeVerdict verdict = RangeVerdict::whole;
  Span span;
};
/// One range of bytes is honoured; several, another unit or a malformed value give the whole file.
RangeAnswer parse_range(std::string_view text, std::uint64_t size);

}  // namespace comfy::server
