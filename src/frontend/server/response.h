// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/file_descriptor.h"
#include "foundation/base/json.h"
#include "frontend/server/fields.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace comfy::server {

/// Bytes that several answers share, for instance the whole of /object_info.
using SharedBytes = std::shared_ptr<const std::string>;

/// Some bytes of a file, from `begin` up to but without `end`.
struct Span {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  bool operator==(const Span&) const = default;
};

/// An open regular file to send. The server answers Range, If-None-Match and If-Modified-Since for
/// it and adds Accept-Ranges, ETag and Last-Modified.
struct FileBody {
  FileDescriptor descriptor;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;   ///< nanoseconds since 1970
  std::optional<Span> part = {};  ///< filled in by the server for a Range request
};

/// Gives the next piece of a long answer, or nothing at its end. Called on the blocking pool.
using Producer = std::function<std::optional<std::string>()>;

/// What a handler answers. Content-Length and the security headers are the server's business.
struct Response {
  unsigned status = 200;
  Headers headers;
  std::variant<std::monostate, std::string, SharedBytes, FileBody, Producer> body;
  /// For the audit log, when the request named a path that tries to leave its folder: the rule.
  std::string refused_path = {};
};

/// No body. ComfyUI's own answers without one carry application/octet-stream or nothing at all.
Response empty_response(unsigned status = 200);
/// Python-style JSON with its usual Content-Type.
Response json_response(const Json& value, unsigned status = 200);
/// JSON that is serialised already.
Response json_bytes(SharedBytes bytes, unsigned status = 200);
/// text/plain; charset=utf-8
Response text_response(std::string text, unsigned status = 200);
/// An open file. Reads its size and time; throws Error(not_found) when it is no regular file.
/// `content_type` is sent as it is.
Response file_response(FileDescriptor file, std::string content_type);

/// Content-Disposition of that kind ("attachment" or "" for the bare filename="..." of ComfyUI)
/// with the name quoted for old readers and, when it is not plain ASCII, encoded for new ones
/// (RFC 6266, RFC 5987). Control bytes never reach the header.
std::string content_disposition(std::string_view kind, std::string_view filename);

}  // namespace comfy::server
