// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/rabbitmq/rabbit_server_link.h"
#include "foundation/options/options.h"

#include <string_view>

namespace comfy {

/// Where the options say that the broker is. `role` ("frontend", "worker") begins the name under
/// which this process is known there; host and process make it unlike any other.
/// Warns of the user "guest" on another machine. Throws Error(invalid_input) without an address,
/// and for a protocol that is not spoken.
link::RabbitOptions broker_options(const options::Options& options, std::string_view role);

}  // namespace comfy
