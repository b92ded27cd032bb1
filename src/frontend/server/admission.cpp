// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/admission.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "frontend/access/audit.h"
#include "frontend/access/gate.h"
#include "frontend/server/error_reply.h"
#include "frontend/server/log.h"
#include "frontend/server/services.h"

#include <fmt/format.h>

namespace comfy::server {
namespace {

using access::Gate;

constexpr std::size_t kShownPath = 200;

/// A page with one field. It sends the key to "/", so that the same step logs in that a ready URL
/// takes.
constexpr std::string_view kLoginPage = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>ComfyUI</title><style>body{{font:16px sans-serif;background:#202020;color:#ddd;display:grid;
place-items:center;height:90vh}}form{{display:grid;gap:12px;width:min(90vw,420px)}}
input,button{{font:inherit;padding:10px;border:0;border-radius:6px}}</style></head>
<body><form action="./" method="get"><label for="k">{}</label>
<input id="k" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Log in</button></form></body></html>
)";

/// A session's cookie does not come along when another site leads here, only when this page does.
constexpr std::string_view kAgainPage =
    R"(<!doctype html><html><head><meta http-equiv="refresh" content="0"></head></html>)";

bool wants_page(const Request& request) {
  const auto accepted = request.headers.find("Accept");
  return request.method == Method::get && accepted &&
         accepted->find("text/html") != std::string_view::npos;
}

Response page_response(std::string text, unsigned status) {
  Response response;
  response.status = status;
  response.body = std::move(text);
  response.headers.add("Content-Type", "text/html; charset=utf-8");
  response.headers.add("Cache-Control", "no-store");
  response.headers.add("Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
                       "base-uri 'none'; frame-ancestors 'none'");
  return response;
}

Response problem(unsigned status, const char* type, std::string message) {
  return json_response(Json::Object{{"error", Json::Object{{"type", type},
                                                           {"message", std::move(message)},
                                                           {"details", ""},
                                                           {"extra_info", Json::Object{}}}},
                                    {"node_errors", Json::Object{}}},
                       status);
}

Response unauthorized(const Request& request, const std::string& reason) {
  if (wants_page(request)) {
    const auto site = request.headers.find("Sec-Fetch-Site");
    const bool led_here = site && *site == "cross-site";
    Response response = page_response(
        led_here ? std::string{kAgainPage} : fmt::format(kLoginPage, "The key of this server"),
        401);
    // No "Basic" here: the browser's own dialog would hide the page.
    response.headers.add("WWW-Authenticate", "Bearer realm=\"comfyui\"");
    return response;
  }
  Response response = problem(401, "unauthorized", reason);
  response.headers.add("WWW-Authenticate", "Bearer realm=\"comfyui\"");
  response.headers.add("WWW-Authenticate", "Basic realm=\"comfyui\", charset=\"UTF-8\"");
  return response;
}

Response too_many_attempts(const Request& request) {
  constexpr std::string_view kText =
      "too many keys that do not hold came from this address; try again in a minute";
  Response response = wants_page(request) ? page_response(fmt::format(kLoginPage, kText), 429)
                                          : problem(429, "too_many_attempts", std::string{kText});
  response.headers.add("Retry-After", "60");
  return response;
}

void note(const char* event, const Request& request, Front& front, Json::Object more = {}) {
  Json::Object fields{{"address", request.remote_address},
                      {"method", method_name(request.method)},
                      {"path", request.path.substr(0, kShownPath)}};
  for (auto& [name, value] : more) fields[name] = std::move(value);
  front.services.audit.record(event, std::move(fields));
}

/// Rules of host, origin and fetch metadata.
std::optional<Response> judge_origin(const Request& request, Front& front) {
  switch (front.origins.judge(request.method, request.target, request.headers)) {
    case OriginRules::Verdict::pass:
      return {};
    case OriginRules::Verdict::malformed:
      return text_response("a request must have exactly one Host header", 400);
    case OriginRules::Verdict::misdirected:
      note("refused_host", request, front);
      return text_response(
          "this host name is not served here; --allowed-host adds it to those that are", 421);
    case OriginRules::Verdict::foreign:
      note("refused_origin", request, front,
           {{"origin", request.headers.find("Origin").value_or("").substr(0, kShownPath)}});
      return empty_response(403);
  }
  return {};
}

access::Credentials credentials_of(const Request& request, const Front& front) {
  access::Credentials credentials;
  credentials.authorization = request.headers.find("Authorization");
  credentials.repeated = request.headers.count("Authorization") > 1;
  credentials.acts_as = request.headers.find("comfy-user");
  for (const auto& [name, value] : request.headers) {
    if (!credentials.cookie.empty() || lower(name) != "cookie") continue;
    credentials.cookie = access::find_cookie(value, cookie_name(front.services.settings));
  }
  return credentials;
}

/// What the query of a login leaves for the page behind it.
std::string query_without_token(std::string_view target) {
  std::string rest;
  const std::size_t mark = target.find('?');
  for (const std::string_view part : split(target.substr(mark + 1), '&')) {
    if (part.empty() || part.starts_with("token=")) continue;
    rest += rest.empty() ? "?" : "&";
    rest += part;
  }
  return rest;
}

std::optional<std::string> token_of(const Request& request) {
  if (request.method != Method::get || (request.path != "/" && request.path != "/api/")) return {};
  const std::size_t mark = request.target.find('?');
  if (mark == std::string::npos) return {};
  const Query query{std::string_view{request.target}.substr(mark + 1)};
  const auto token = query.find("token");
  if (!token) return {};
  return std::string{*token};
}

std::string cookie_field(const Request& request, const Settings& settings, const std::string& value,
                         std::chrono::seconds lasts) {
  return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}",
                     cookie_name(settings), value, lasts.count(), request.secure ? "; Secure" : "");
}

awaitable<Response> log_in(const Request& request, const std::string& token, Front& front) {
  const Gate::Entry entry = front.services.gate.log_in(token, request.remote_address);
  if (entry.outcome == Gate::Outcome::limited) {
    note("too_many_attempts", request, front);
    co_return too_many_attempts(request);
  }
  if (entry.outcome != Gate::Outcome::granted) {
    note("refused_key", request, front, {{"reason", entry.reason}});
    co_return unauthorized(request, entry.reason);
  }
  note("login", request, front, {{"user", entry.identity.user}});
  const auto save = [&gate = front.services.gate] { gate.save_logins(); };
  co_await front.services.blocking.run(save);
  Response response = empty_response(303);
  response.headers.add("Location", "./" + query_without_token(request.target));
  response.headers.add("Set-Cookie",
                       cookie_field(request, front.services.settings, entry.cookie, entry.lasts));
  response.headers.add("Cache-Control", "no-store");
  co_return response;
}

std::optional<Response> judge_role(const Request& request, const Route* route, Front& front) {
  // What no row serves is a file of the page, or nothing.
  const access::Role needed =
      route == nullptr ? access::Role::read : needed_role(*route).value_or(access::Role::read);
  const access::Identity& identity = request.identity;
  if (!access::covers(identity.role, needed)) {
    note("refused_role", request, front, {{"user", identity.user}});
    return problem(403, "forbidden",
                   fmt::format("this needs a key of the role {}, got one of the role {}",
                               access::role_name(needed), access::role_name(identity.role)));
  }
  if (needed == access::Role::admin) note("admin_call", request, front, {{"user", identity.user}});
  return {};
}

std::optional<Response> judge_verdict(const Gate::Verdict& verdict, const Request& request,
                                      Front& front) {
  switch (verdict.outcome) {
    case Gate::Outcome::granted:
      return {};
    case Gate::Outcome::anonymous:
      return unauthorized(request, verdict.reason);
    case Gate::Outcome::refused:
      note("refused_key", request, front, {{"reason", verdict.reason}});
      return unauthorized(request, verdict.reason);
    case Gate::Outcome::limited:
      note("too_many_attempts", request, front);
      return too_many_attempts(request);
    case Gate::Outcome::impersonation:
      note("refused_user", request, front, {{"user", verdict.identity.user}});
      return problem(403, "forbidden", verdict.reason);
  }
  return {};
}

bool is_open(const Route* route) { return route != nullptr && !needed_role(*route); }

awaitable<Response> post_logout(const Request& request, Services& services) {
  const std::string name = cookie_name(services.settings);
  for (const auto& [field, value] : request.headers) {
    if (lower(field) == "cookie") services.gate.log_out(access::find_cookie(value, name));
  }
  const auto save = [&services] { services.gate.save_logins(); };
  co_await services.blocking.run(save);
  Response response = empty_response();
  response.headers.add("Set-Cookie",
                       cookie_field(request, services.settings, {}, std::chrono::seconds{0}));
  co_return response;
}

}  // namespace

std::string cookie_name(const Settings& settings) {
  return fmt::format("comfyui_login_{}", settings.port);
}

awaitable<std::optional<Response>> admit(Request& request, const Route* route, Front& front) {
  Gate& gate = front.services.gate;
  const bool guarded = gate.is_on() && !is_open(route) && request.method != Method::options;
  const Gate::Verdict verdict =
      guarded ? gate.judge(credentials_of(request, front), request.remote_address)
              : Gate::Verdict{.outcome = Gate::Outcome::granted};
  request.identity = verdict.identity;
  // What is open to everybody is for nobody in particular.
  if (gate.is_on() && !guarded)
    request.identity = {.user = "", .role = access::Role::read, .authenticated = true};
  if (!verdict.deliberate || verdict.outcome != Gate::Outcome::granted) {
    if (auto refusal = judge_origin(request, front)) co_return refusal;
  }
  if (!guarded) co_return std::nullopt;
  if (const auto token = token_of(request)) co_return co_await log_in(request, *token, front);
  if (auto refusal = judge_verdict(verdict, request, front)) co_return refusal;
  co_return judge_role(request, route, front);
}

std::vector<Route> access_routes() {
  return {{Method::post, "/logout", post_logout, BodyLimit::small, Alias::api, Access::read}};
}

}  // namespace comfy::server
