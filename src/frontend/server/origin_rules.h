// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/fields.h"
#include "frontend/server/request.h"
#include "frontend/server/settings.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::server {

/// A host and perhaps a port, as Host and Origin carry them.
struct Authority {
  std::string host;  ///< lower case, without one trailing dot; IPv6 in its shortest spelling
  std::optional<std::uint16_t> port;
  bool is_address = false;  ///< an IPv4 or IPv6 literal

  bool operator==(const Authority&) const = default;
};

/// Reads "host", "host:port", "1.2.3.4:80", "[::1]:80". Nothing when it is none of these.
std::optional<Authority> parse_authority(std::string_view text);
/// Reads "http://host[:port]" or https. Nothing for "null", another scheme or anything behind it.
std::optional<Authority> parse_origin(std::string_view text);

/// Decides which requests a browser may have been tricked into sending (security.md, section 2).
/// It looks at headers alone: no name is ever resolved.
class OriginRules {
 public:
  /// `machine` is this machine's own name. Where keys are needed any host name will do, as a page
  /// that rebinds one has no key, and the star of CORS lets in only what carries its key on
  /// purpose. Throws Error(invalid_input) when an allowed origin or
  /// the external address cannot be read.
  enum class Keys : std::uint8_t { needless, needed };
  OriginRules(const Settings& settings, std::string machine, Keys keys = Keys::needless);

  enum class Verdict : std::uint8_t {
    pass,
    malformed,    ///< 400: no Host or several
    misdirected,  ///< 421: a host name that is not ours
    foreign,      ///< 403: another site's page
  };
  /// `target` is the request target: one in absolute form must name the same host as Host.
  Verdict judge(Method method, std::string_view target, const Headers& headers) const;

  /// The CORS headers of an answer; none when the option is off.
  Headers cors_headers(const Headers& request) const;

 private:
  bool knows_host(const Authority& host) const;
  bool allows_origin(const Headers& headers, const Authority& host) const;

  Keys keys_;
  std::vector<std::string> hosts_;
  std::vector<std::string> origins_;
  std::optional<std::string> cors_origin_;
};

}  // namespace comfy::server
