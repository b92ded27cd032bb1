// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/rabbitmq/address.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"

#include <amqp.h>
#include <fmt/format.h>

#include <string_view>

namespace comfy::link {
namespace {

Error bad(std::string_view what) {
  return Error{
      Error::Kind::invalid_input,
      fmt::format("the broker's address must look like amqp://user:password@host:5672/vhost: {}",
                  what)};
}

void read_query(std::string_view query, BrokerAddress& address) {
  for (const std::string_view pair : split(query, '&')) {
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    const std::string_view name = pair.substr(0, equals);
    const auto value = percent_decode(equals == std::string_view::npos ? std::string_view{}
                                                                       : pair.substr(equals + 1));
    if (!value) throw bad(fmt::format("\"{}\" has a broken % escape", name));
    if (name == "cacertfile") {
      address.authorities = *value;
    } else if (name == "certfile") {
      address.certificate = *value;
    } else if (name == "keyfile") {
      address.key = *value;
    } else if (name == "verify" && (*value == "verify_none" || *value == "verify_peer")) {
      address.verify = *value == "verify_peer";
    } else {
      throw bad(fmt::format(
          "it may carry cacertfile, certfile, keyfile and verify=verify_peer or verify_none, got "
          "\"{}\"",
          name));
    }
  }
  if (address.certificate.empty() != address.key.empty())
    throw bad("certfile and keyfile must be given together");
}

}  // namespace

std::string BrokerAddress::shown() const {
  return fmt::format("{}://{}:{}/{}", tls ? "amqps" : "amqp", host, port,
                     vhost == "/" ? "" : vhost);
}

bool BrokerAddress::is_loopback() const {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

BrokerAddress parse_broker_address(const std::string& uri) {
  const std::size_t mark = uri.find('?');
  // A "/" inside of a password ends the host, and the rest would be shown as a virtual host.
  const std::size_t host = uri.find("://");
  const std::size_t slash = host == std::string::npos ? host : uri.find('/', host + 3);
  if (slash < mark && uri.substr(0, mark).find('@', slash) != std::string::npos)
    throw bad("a \"/\" in user or password must be written %2F, and a \"@\" in vhost %40");
  // The library writes into the text it reads.
  std::string text = uri.substr(0, mark);
  amqp_connection_info info{};
  if (amqp_parse_url(text.data(), &info) != AMQP_STATUS_OK)
    throw bad("got something that is no such URI");
  BrokerAddress address{.host = info.host,
                        .port = info.port,
                        .user = info.user,
                        .password = info.password,
                        .vhost = info.vhost,
                        .tls = info.ssl != 0};
  if (address.host.size() > 2 && address.host.front() == '[')
    address.host = address.host.substr(1, address.host.size() - 2);
  if (address.vhost.empty()) address.vhost.push_back('/');
  if (mark != std::string::npos) read_query(std::string_view{uri}.substr(mark + 1), address);
  return address;
}

BrokerAddresses parse_broker_addresses(const std::string& uris) {
  BrokerAddresses addresses;
  for (const std::string_view uri : split(uris, ','))
    addresses.push_back(parse_broker_address(std::string{trim(uri)}));
  return addresses;
}

std::string shown(const BrokerAddresses& addresses) {
  std::vector<std::string> names;
  for (const BrokerAddress& address : addresses) names.push_back(address.shown());
  return join(names, ", ");
}

}  // namespace comfy::link
