// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/files/inert_type.h"

#include "foundation/base/strings.h"

#include <array>
#include <utility>

namespace comfy::server {
namespace {

struct Row {
  std::string_view suffix;
  InertType type;
};

constexpr std::array kRows{
    Row{"png", {"image/png", true}},   Row{"jpg", {"image/jpeg", true}},
    Row{"jpeg", {"image/jpeg", true}}, Row{"webp", {"image/webp", true}},
    Row{"gif", {"image/gif", true}},   Row{"avif", {"image/avif", true}},
    Row{"mp4", {"video/mp4", true}},   Row{"webm", {"video/webm", true}},
    Row{"flac", {"audio/flac", true}}, Row{"mp3", {"audio/mpeg", true}},
    Row{"ogg", {"audio/ogg", true}},   Row{"opus", {"audio/ogg", true}},
    Row{"wav", {"audio/wav", true}},   Row{"json", {"application/json", true}},
    Row{"txt", {"text/plain", true}},  Row{"svg", {"image/svg+xml", false}},
};

}  // namespace

InertType inert_type(std::string_view filename) {
  const auto dot = filename.rfind('.');
  if (dot != filename.npos) {
    const std::string suffix = lower(filename.substr(dot + 1));
    for (const Row& row : kRows) {
      if (row.suffix == suffix) return row.type;
    }
  }
  return {"application/octet-stream", false};
}

void add_inert_headers(Response& response, std::string_view content_type, std::string_view filename,
                       bool opens) {
  response.headers.set("Content-Type", std::string{content_type});
  response.headers.set("Content-Disposition",
                       content_disposition(opens ? "" : "attachment", filename));
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Content-Security-Policy", "sandbox; default-src 'none'");
}

Response inert_file(FileDescriptor file, std::string_view filename) {
  const InertType type = inert_type(filename);
  Response response = file_response(std::move(file), std::string{type.content_type});
  add_inert_headers(response, type.content_type, filename, type.opens);
  return response;
}

}  // namespace comfy::server
