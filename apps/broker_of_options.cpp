// SPDX-License-Identifier: GPL-3.0-or-later
#include "broker_of_options.h"

#include "foundation/base/error.h"
#include "foundation/base/ids.h"
#include "foundation/base/random.h"
#include "foundation/link/log.h"
#include "foundation/link/rabbitmq/address.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace comfy {
namespace {

/// The host's name in characters that every queue name may have.
std::string host() {
  std::array<char, 64> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "host";
  std::string result = name.data();
  std::ranges::replace_if(result, [](unsigned char c) { return std::isalnum(c) == 0; }, '-');
  return result;
}

}  // namespace

link::RabbitOptions broker_options(const options::Options& options, std::string_view role) {
  if (options.distributed_queue_connection_uri.empty())
    throw Error(Error::Kind::invalid_input,
                "a distributed queue needs --distributed-queue-connection-uri "
                "amqp://user:password@host, got none");
  if (options.distributed_protocol != "native")
    throw Error(Error::Kind::invalid_input,
                fmt::format("--distributed-protocol must be native, got {}; others are not spoken",
                            options.distributed_protocol));
  for (const link::BrokerAddress& address :
       link::parse_broker_addresses(options.distributed_queue_connection_uri))
    if (address.user == "guest" && !address.is_loopback())
      link::log.warn("the broker at {} is used as \"guest\": give each program a user of its own",
                     address.shown());
  return {
      .uri = options.distributed_queue_connection_uri,
      .queue = options.distributed_queue_name,
      .id = fmt::format("{}-{}-{}-{}", role, host(), ::getpid(), random_hex(system_random(), 4))};
}

}  // namespace comfy
