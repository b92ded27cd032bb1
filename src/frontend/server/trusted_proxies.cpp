// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/trusted_proxies.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace comfy::server {
namespace {

namespace ip = boost::asio::ip;
using boost::system::error_code;

/// An IPv4 address that came in as IPv6 is the IPv4 address.
ip::address plain(const ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  }
  return address;
}

/// The only value of a field, or nothing when it is absent, repeated or a list.
std::optional<std::string_view> single(const Headers& headers, std::string_view name) {
  const auto value = headers.find(name);
  if (!value || headers.count(name) > 1 || value->find(',') != value->npos) return {};
  return trim(*value);
}

/// The addresses of X-Forwarded-For, the last one first; ports and brackets are cut off.
std::vector<std::string> hops_of(const Headers& headers) {
  std::vector<std::string> hops;
  for (const auto& [name, value] : headers) {
    if (lower(name) != "x-forwarded-for") continue;
    for (const std::string_view raw : split(value, ',')) {
      std::string_view hop = trim(raw);
      if (hop.starts_with('[')) hop = hop.substr(1, hop.find(']') - 1);
      if (std::ranges::count(hop, ':') == 1) hop = hop.substr(0, hop.find(':'));
      hops.emplace_back(hop);
    }
  }
  std::ranges::reverse(hops);
  return hops;
}

}  // namespace

TrustedProxies::TrustedProxies(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    error_code error;
    const bool network = text.find('/') != text.npos;
    const bool v6 = text.find(':') != text.npos;
    if (v6) {
      networks_v6_.push_back(ip::make_network_v6(network ? text : text + "/128", error));
    } else {
      networks_v4_.push_back(ip::make_network_v4(network ? text : text + "/32", error));
    }
    if (error) {
      throw Error{Error::Kind::invalid_input,
                  fmt::format("--trusted-proxy must be an address or a network such as "
                              "10.0.0.0/8, got \"{}\"",
                              text)};
    }
  }
}

bool TrustedProxies::trusts(const ip::address& given) const {
  const ip::address address = plain(given);
  if (address.is_v4()) {
    return std::ranges::any_of(networks_v4_, [&](const ip::network_v4& network) {
      return ip::network_v4{address.to_v4(), network.prefix_length()}.canonical() ==
             network.canonical();
    });
  }
  return std::ranges::any_of(networks_v6_, [&](const ip::network_v6& network) {
    return ip::network_v6{address.to_v6(), network.prefix_length()}.canonical() ==
           network.canonical();
  });
}

bool TrustedProxies::trusts(std::string_view text) const {
  error_code error;
  const ip::address address = ip::make_address(text, error);
  return !error && trusts(address);
}

void TrustedProxies::apply(Request& request) const {
  if (!trusts(std::string_view{request.remote_address})) return;
  for (const std::string& hop : hops_of(request.headers)) {
    error_code error;
    const ip::address address = ip::make_address(hop, error);
    if (error) break;  // what comes before it cannot be believed either
    request.remote_address = plain(address).to_string();
    if (!trusts(address)) break;
  }
  if (const auto scheme = single(request.headers, "X-Forwarded-Proto")) {
    request.secure = lower(*scheme) == "https";
  }
  if (const auto host = single(request.headers, "X-Forwarded-Host"); host && !host->empty()) {
    request.headers.set("Host", std::string{*host});
  }
}

}  // namespace comfy::server
