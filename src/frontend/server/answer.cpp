// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/answer.h"

#include "foundation/base/strings.h"
#include "frontend/access/audit.h"
#include "frontend/server/conditional.h"
#include "frontend/server/error_reply.h"
#include "frontend/server/gzip.h"
#include "frontend/server/services.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

namespace comfy::server {
namespace {

constexpr std::array<std::string_view, 9> kPictureSuffixes{".jpg", ".jpeg", ".png",  ".ppm", ".bmp",
                                                           ".pgm", ".tif",  ".tiff", ".webp"};
constexpr std::size_t kCompressOnPool = 64 * 1024;

/// 405 with the methods that the path takes. Files of the page make GET and HEAD part of every path
/// but those below /internal, which is apart in ComfyUI too.
Response method_not_allowed(const RouteMatch& match, std::string_view path) {
  std::set<std::string_view> methods;
  for (const Method method : match.methods_of_path) methods.insert(method_name(method));
  if (methods.contains("GET") || !path.starts_with("/internal/")) methods.insert({"GET", "HEAD"});
  Response response = plain_error(405);
  response.headers.add("Allow", fmt::format("{}", fmt::join(methods, ",")));
  return response;
}

/// The condition and the range of a request, applied to a file.
void apply_conditions(Response& response, const Request& request) {
  auto* file = std::get_if<FileBody>(&response.body);
  if (file == nullptr || response.status != 200) return;
  const FileVersion state{file->size, file->modified_ns};
  const FileAnswer answer = evaluate(request.headers, state);
  response.status = answer.status;
  response.headers.set("Accept-Ranges", "bytes");
  response.headers.set("ETag", state.etag());
  response.headers.set("Last-Modified", state.last_modified());
  if (answer.status == 206) {
    file->part = answer.span;
    response.headers.set("Content-Range", fmt::format("bytes {}-{}/{}", answer.span.begin,
                                                      answer.span.end - 1, file->size));
  }
  if (answer.status == 416) {
    response.headers.set("Content-Range", fmt::format("bytes */{}", file->size));
  }
  if (answer.status == 304 || answer.status == 416) response.body = std::monostate{};
}

/// If-None-Match for answers that lie in memory and carry a tag.
void apply_tag(Response& response, const Request& request) {
  if (response.status != 200 || std::holds_alternative<FileBody>(response.body)) return;
  const auto tag = response.headers.find("ETag");
  const auto wanted = request.headers.find("If-None-Match");
  if (!tag || !wanted || !names_tag(*wanted, *tag)) return;
  response.status = 304;
  response.body = std::monostate{};
}

std::string_view text_of(const Response& response) {
  if (const auto* text = std::get_if<std::string>(&response.body)) return *text;
  if (const auto* bytes = std::get_if<SharedBytes>(&response.body)) return **bytes;
  return {};
}

bool wants_compression(const Response& response, const Request& request) {
  const auto type = response.headers.find("Content-Type");
  const auto accepted = request.headers.find("Accept-Encoding");
  if (!type || !accepted || response.headers.find("Content-Encoding")) return false;
  const std::string_view media = trim(type->substr(0, type->find(';')));
  return (media == "application/json" || media == "text/plain") && accepts_gzip(*accepted) &&
         !text_of(response).empty();
}

awaitable<void> compress(Response& response, BlockingPool& blocking) {
  const std::string_view text = text_of(response);
  std::string packed;
  if (text.size() < kCompressOnPool) {
    packed = gzip(text, 6);
  } else {
    const auto work = [text] { return gzip(text, 6); };
    packed = co_await blocking.run(work);
  }
  response.body = std::move(packed);
  response.headers.set("Content-Encoding", "gzip");
  response.headers.add("Vary", "Accept-Encoding");
}

/// The page may load what this server serves and nothing else. Its editor builds functions from
/// text and shows pictures from blobs.
std::string page_policy(const Settings& settings) {
  return fmt::format(
      "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
      "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
      "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
      "object-src 'none'; base-uri 'self'; frame-ancestors 'self'{}{}",
      settings.allowed_origins.empty() ? "" : " ", fmt::join(settings.allowed_origins, " "));
}

void add_security_headers(Response& response, const Request& request, const Settings& settings) {
  const auto add = [&response](const char* name, std::string value) {
    if (!response.headers.find(name)) response.headers.add(name, std::move(value));
  };
  add("X-Content-Type-Options", "nosniff");
  add("Referrer-Policy", "same-origin");
  // This older field knows no list; the page's policy says frame-ancestors.
  if (settings.allowed_origins.empty()) add("X-Frame-Options", "SAMEORIGIN");
  add("Cross-Origin-Resource-Policy", "same-origin");
  const auto type = response.headers.find("Content-Type");
  if (type && type->starts_with("text/html")) {
    add("Content-Security-Policy", page_policy(settings));
  }
  if (request.secure && settings.external_address.starts_with("https://")) {
    add("Strict-Transport-Security", "max-age=31536000");
  }
}

/// Paths that try to leave their folder are of interest to whoever reads the audit log.
void note_refused_path(const Response& response, const Request& request, Services& services) {
  if (response.refused_path.empty()) return;
  services.audit.record("refused_path", {{"address", request.remote_address},
                                         {"user", request.identity.user},
                                         {"method", method_name(request.method)},
                                         {"rule", response.refused_path.substr(0, 100)}});
}

/// The handler's answer, or the one that its exception makes.
awaitable<Response> answer_of_handler(Request& request, const RouteMatch& match, Front& front) {
  std::optional<Response> failed;
  try {
    if (match.route != nullptr) {
      request.parameters = match.parameters;
      co_return co_await match.route->handler(request, front.services);
    }
    if (request.method == Method::get) {
      co_return co_await front.files.answer(request, front.services);
    }
    co_return method_not_allowed(match, request.path);
  } catch (...) {
    failed = error_reply_for_current_exception();
  }
  co_return std::move(*failed);
}

}  // namespace

awaitable<Response> answer(Request& request, const RouteMatch& match, Front& front) {
  Response response = co_await answer_of_handler(request, match, front);
  note_refused_path(response, request, front.services);
  co_return response;
}

awaitable<void> complete(Response& response, const Request& request, Front& front) {
  apply_conditions(response, request);
  apply_tag(response, request);
  if (const std::string_view rule = cache_rule(request.path, response.status);
      !rule.empty() && !response.headers.find("Cache-Control")) {
    response.headers.add("Cache-Control", std::string{rule});
  }
  add_security_headers(response, request, front.services.settings);
  for (const auto& [name, value] : front.origins.cors_headers(request.headers)) {
    response.headers.add(name, value);
  }
  if (front.services.settings.compress_responses && wants_compression(response, request)) {
    co_await compress(response, front.services.blocking);
  }
}

std::string_view cache_rule(std::string_view path, unsigned status) {
  const std::string_view last = path.substr(path.rfind('/') + 1);
  if (path.ends_with(".js") || path.ends_with(".css") ||
      (last.starts_with("index") && last.ends_with(".json"))) {
    return "no-cache";
  }
  const std::string name = lower(last);
  const bool picture = std::ranges::any_of(
      kPictureSuffixes, [&](std::string_view suffix) { return name.ends_with(suffix); });
  if (!picture) return {};
  if (status == 404) return "public, max-age=3600";
  if ((status >= 200 && status <= 206) || status == 301 || status == 308) {
    return "public, max-age=86400";
  }
  if (status == 302 || status == 303 || status == 307) return "no-cache";
  return {};
}

}  // namespace comfy::server
