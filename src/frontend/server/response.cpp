// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/response.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"

#include <fmt/format.h>
#include <sys/stat.h>

namespace comfy::server {
namespace {

constexpr const char* kJson = "application/json; charset=utf-8";

bool plain_ascii(std::string_view text) {
  for (const char c : text) {
    if (c < 0x20 || c > 0x7e) return false;
  }
  return true;
}

/// The name as a quoted string of a header: what could end or split it becomes "_".
std::string quotable(std::string_view name) {
  std::string text;
  while (!name.empty()) {
    const std::size_t length = utf8_length(name);
    const char c = name.front();
    const bool keep = length == 1 && c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
    text += keep ? c : '_';
    name.remove_prefix(length == 0 ? 1 : length);
  }
  return text;
}

}  // namespace

Response empty_response(unsigned status) {
  Response response;
  response.status = status;
  return response;
}

Response json_response(const Json& value, unsigned status) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", kJson);
  response.body = to_json(value);
  return response;
}

Response json_bytes(SharedBytes bytes, unsigned status) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", kJson);
  response.body = std::move(bytes);
  return response;
}

Response text_response(std::string text, unsigned status) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.body = std::move(text);
  return response;
}

Response file_response(FileDescriptor file, std::string content_type) {
  struct stat info{};
  if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    throw Error{Error::Kind::not_found, "no such file"};
  }
  Response response;
  response.headers.add("Content-Type", std::move(content_type));
  response.body =
      FileBody{std::move(file), static_cast<std::uint64_t>(info.st_size),
               info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec, std::nullopt};
  return response;
}

std::string content_disposition(std::string_view kind, std::string_view filename) {
  std::string text{kind};
  if (!text.empty()) text += "; ";
  text += fmt::format("filename=\"{}\"", quotable(filename));
  if (!plain_ascii(filename) && is_utf8(filename)) {
    text += "; filename*=UTF-8''" + percent_encode(filename);
  }
  return text;
}

}  // namespace comfy::server
