// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <vector>

namespace comfy::link {

/// Where a broker is and how to log in, from a URI such as
/// amqps://user:password@host:5671/vhost?cacertfile=ca.pem&certfile=me.pem&keyfile=me.key
struct BrokerAddress {
  std::string host = "localhost";
  int port = 5672;
  std::string user = "guest";
  std::string password = "guest";
  std::string vhost = "/";
  bool tls = false;
  bool verify = true;            ///< `verify=verify_none` turns it off, for tests only
  std::string authorities = {};  ///< `cacertfile`; empty = the system's
  std::string certificate = {};  ///< `certfile`: this program's own, with `keyfile`
  std::string key = {};

  /// Without user and password, for logs.
  std::string shown() const;
  bool is_loopback() const;
};

/// Throws Error(invalid_input), whose text never repeats the URI: it holds a password.
BrokerAddress parse_broker_address(const std::string& uri);

/// One broker, or the nodes of one, with commas between. (A comma inside of one is written %2C.)
using BrokerAddresses = std::vector<BrokerAddress>;
BrokerAddresses parse_broker_addresses(const std::string& uris);
/// Without users and passwords, for logs.
std::string shown(const BrokerAddresses& addresses);

}  // namespace comfy::link
