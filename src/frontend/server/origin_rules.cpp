// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/origin_rules.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace comfy::server {
namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
  return port;
}

/// The one spelling of an IPv6 literal; nothing when it is none.
std::optional<std::string> canonical_ipv6(std::string_view text) {
  in6_addr address{};
  if (::inet_pton(AF_INET6, std::string{text}.c_str(), &address) != 1) return {};
  char spelled[INET6_ADDRSTRLEN];
  return ::inet_ntop(AF_INET6, &address, spelled, sizeof spelled);
}

bool is_ipv4(const std::string& text) {
  in_addr address{};
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1;
}

bool is_host_name(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= 253 && std::ranges::all_of(text, allowed) &&
         !text.starts_with('.') && !text.ends_with('.') &&
         text.find("..") == std::string_view::npos;
}

/// The authority of an absolute-form target ("http://host/path"); empty when it is in origin form.
std::string_view authority_of_target(std::string_view target) {
  const std::size_t scheme = target.find("://");
  if (target.starts_with('/') || scheme == std::string_view::npos) return {};
  const std::string_view rest = target.substr(scheme + 3);
  return rest.substr(0, rest.find_first_of("/?#"));
}

}  // namespace

std::optional<Authority> parse_authority(std::string_view text) {
  Authority authority;
  std::string_view host = text;
  std::optional<std::string_view> port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return {};
    host = text.substr(1, end - 1);
    if (end + 1 < text.size()) {
      if (text[end + 1] != ':') return {};
      port = text.substr(end + 2);
    }
    const auto address = canonical_ipv6(host);
    if (!address) return {};
    authority.host = *address;
    authority.is_address = true;
  } else {
    if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
      host = text.substr(0, colon);
      port = text.substr(colon + 1);
    }
    authority.host = lower(host);
    if (authority.host.ends_with('.')) authority.host.pop_back();
    if (!is_host_name(authority.host)) return {};
    authority.is_address = is_ipv4(authority.host);
  }
  if (port) {
    authority.port = parse_port(*port);
    if (!authority.port) return {};
  }
  return authority;
}

std::optional<Authority> parse_origin(std::string_view text) {
  const std::string folded = lower(text);
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (folded.starts_with(scheme)) return parse_authority(text.substr(scheme.size()));
  }
  return {};
}

OriginRules::OriginRules(const Settings& settings, std::string machine, Keys keys)
    : keys_{keys}, hosts_{settings.allowed_hosts}, cors_origin_{settings.cors_origin} {
  for (std::string& host : hosts_) host = lower(host);
  hosts_.push_back(lower(machine));
  if (!settings.external_address.empty()) {
    const std::string_view address = settings.external_address;
    const std::size_t scheme = address.find("://");
    const std::string_view rest =
        scheme == std::string_view::npos ? address : address.substr(scheme + 3);
    const auto authority = parse_authority(rest.substr(0, rest.find_first_of("/?#")));
    if (!authority) {
      throw Error{
          Error::Kind::invalid_input,
          fmt::format("the external address must be a URL with a host, got \"{}\"", address)};
    }
    hosts_.push_back(authority->host);
  }
  for (const std::string& origin : settings.allowed_origins) {
    if (!parse_origin(origin)) {
      throw Error{
          Error::Kind::invalid_input,
          fmt::format("an allowed origin must look like https://host[:port], got \"{}\"", origin)};
    }
    origins_.push_back(lower(origin));
  }
}

bool OriginRules::knows_host(const Authority& host) const {
  const std::string& name = host.host;
  // A page of the public web has neither an address nor a name without a dot as its host.
  if (host.is_address || name.find('.') == std::string::npos) return true;
  if (name.ends_with(".localhost")) return true;
  return std::ranges::any_of(hosts_, [&](const std::string& allowed) {
    return allowed.starts_with('.') ? name.ends_with(allowed) : name == allowed;
  });
}

bool OriginRules::allows_origin(const Headers& headers, const Authority& host) const {
  if (headers.count("Origin") > 1) return false;
  const std::string_view text = *headers.find("Origin");
  const std::string folded = lower(text);
  if (std::ranges::find(origins_, folded) != origins_.end()) return true;
  if (cors_origin_ && folded == lower(*cors_origin_)) return true;
  const auto origin = parse_origin(text);
  if (!origin || origin->host != host.host) return false;
  return !origin->port || !host.port || *origin->port == *host.port;
}

OriginRules::Verdict OriginRules::judge(Method method, std::string_view target,
                                        const Headers& headers) const {
  if (headers.count("Host") != 1) return Verdict::malformed;
  const auto host = parse_authority(*headers.find("Host"));
  if (!host) return Verdict::misdirected;
  if (keys_ == Keys::needless && !knows_host(*host)) return Verdict::misdirected;
  if (!target.starts_with('/') && target != "*") {
    const auto named = parse_authority(authority_of_target(target));
    if (!named || named->host != host->host) return Verdict::misdirected;
  }
  if (cors_origin_ == "*" && (keys_ == Keys::needless || method == Method::options)) {
    return Verdict::pass;
  }
  if (headers.find("Origin")) {
    return allows_origin(headers, *host) ? Verdict::pass : Verdict::foreign;
  }
  const auto site = headers.find("Sec-Fetch-Site");
  if (!site || lower(*site).find("cross-site") == std::string::npos) return Verdict::pass;
  const bool reads = method == Method::get || method == Method::head;
  const auto mode = headers.find("Sec-Fetch-Mode");
  return reads && mode && lower(*mode) == "navigate" ? Verdict::pass : Verdict::foreign;
}

Headers OriginRules::cors_headers(const Headers& request) const {
  Headers headers;
  if (!cors_origin_) return headers;
  headers.add("Access-Control-Allow-Methods", "POST, GET, DELETE, PUT, OPTIONS, PATCH");
  headers.add("Access-Control-Allow-Headers",
              "Content-Type, Authorization, comfy-user, traceparent, tracestate");
  if (*cors_origin_ == "*") {
    headers.add("Access-Control-Allow-Origin", "*");
    return headers;
  }
  headers.add("Vary", "Origin");
  const auto origin = request.find("Origin");
  if (origin && lower(*origin) == lower(*cors_origin_)) {
    headers.add("Access-Control-Allow-Origin", std::string{*origin});
    headers.add("Access-Control-Allow-Credentials", "true");
  }
  return headers;
}

}  // namespace comfy::server
