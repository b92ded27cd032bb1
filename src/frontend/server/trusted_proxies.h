// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/request.h"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include <string>
#include <vector>

namespace comfy::server {

/// The reverse proxies whose word counts on where a request comes from. From anybody else
/// X-Forwarded-* says nothing.
class TrustedProxies {
 public:
  /// Addresses ("10.0.0.1", "::1") and networks ("10.0.0.0/8"). Throws Error(invalid_input).
  explicit TrustedProxies(const std::vector<std::string>& texts);

  bool trusts(const boost::asio::ip::address& address) const;
  /// When the request's peer is a proxy of ours: fills in the client's address, whether it came by
  /// TLS, and the host that the client named.
  void apply(Request& request) const;

 private:
  bool trusts(std::string_view address) const;
  std::vector<boost::asio::ip::network_v4> networks_v4_;
  std::vector<boost::asio::ip::network_v6> networks_v6_;
};

}  // namespace comfy::server
