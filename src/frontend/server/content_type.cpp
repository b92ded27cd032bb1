// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/content_type.h"

#include "foundation/base/strings.h"

#include <algorithm>
#include <array>
#include <utility>

namespace comfy::server {
namespace {

using Row = std::pair<std::string_view, std::string_view>;

constexpr std::array<Row, 26> kTypes{{
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".map", "application/json"},
    {".md", "text/markdown; charset=utf-8"},
    {".txt", "text/plain; charset=utf-8"},
    {".wasm", "application/wasm"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".webp", "image/webp"},
    {".gif", "image/gif"},
    {".avif", "image/avif"},
    {".ico", "image/vnd.microsoft.icon"},
    {".cur", "image/vnd.microsoft.icon"},
    {".mp4", "video/mp4"},
    {".webm", "video/webm"},
    {".mp3", "audio/mpeg"},
    {".woff", "font/woff"},
    {".woff2", "font/woff2"},
    {".ttf", "font/ttf"},
    {".otf", "font/otf"},
    {".glb", "model/gltf-binary"},
}};

}  // namespace

std::string_view shipped_content_type(std::string_view filename) {
  const std::string name = lower(filename);
  const auto row =
      std::ranges::find_if(kTypes, [&](const Row& r) { return name.ends_with(r.first); });
  return row == kTypes.end() ? "application/octet-stream" : row->second;
}

bool is_compressible(std::string_view content_type) {
  return content_type.starts_with("text/") || content_type.starts_with("application/json") ||
         content_type == "application/wasm" || content_type == "image/svg+xml";
}

}  // namespace comfy::server
