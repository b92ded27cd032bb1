// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/message.h"
#include "foundation/link/rabbitmq/amqp_channel.h"

namespace comfy::link {

/// Body, content type and encoding, type, message id and store of a message for the broker. A
/// message without binary part is plain JSON; with one, a u32 JSON length (big endian), the JSON
/// and the bytes; long ones are deflated. Throws Error(too_large) above the type's cap.
AmqpMessage to_wire(const Message& message);

/// Undoes to_wire. Throws Error for what is no message of ours, whatever it is.
Message from_wire(const AmqpMessage& message);

}  // namespace comfy::link
